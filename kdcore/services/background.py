"""What goes on by itself while the app runs: each task in its own ``try``, so that one bad plan starves no other."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from kdcore.services import main_job, nightly
from kdcore.services.distill import rounds, sweeps
from kdcore.services.workspace import TICK_S, App

log = logging.getLogger(__name__)
Task = Callable[[App], object]
# name → what is done once a second; the name is what people read where it fails
TASKS: dict[str, Task] = {
    "bringing in what workers wrote": App.tick,
    "the main job": main_job.advance,
    "queued trainings": sweeps.advance,
    "rounds": rounds.advance,
    "backups": nightly.advance,
}


@dataclass
class Background:
    """One thread that runs the tasks of one app until it is closed."""

    app: App
    tasks: dict[str, Task] = field(default_factory=lambda: dict(TASKS))
    _closing: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> Background:
        """Begin; a second call changes nothing."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="background", daemon=True)
            self._thread.start()
        return self

    def once(self) -> None:
        """Each task once. One that fails is said on every page until it goes well again."""
        for name, task in self.tasks.items():
            try:
                task(self.app)
                self.app.settle(name)
            except Exception as exc:
                log.exception("%s failed; trying again", name)
                self.app.tell(name, f"{name} can't go on ({type(exc).__name__}: {exc}); it is tried again")

    def _loop(self) -> None:
        while not self._closing.wait(TICK_S):
            self.once()

    def close(self) -> None:
        """Stop the thread, then let the database go."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=30)
        self.app.close()


def open_in_background(app: App) -> Background:
    """An app whose work goes on by itself, for a server that stays up."""
    return Background(app).start()
