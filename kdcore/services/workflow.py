"""Work that goes on step by step by itself: the main job, rounds, the queue of trainings.

A plan is a small file that names ordinary runs and versions, so nothing is lost when the app stops. ``advance``
begins what is next once the runs that a plan waits for are done; it never blocks. A step that fails ends its own
plan, with the reason; a file that can't be read is said and hinders no other plan.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

from kdcore.errors import ConfigError, KdError
from kdcore.jobs.run_dir import write_json
from kdcore.services.workspace import App
from kdcore.types import TERMINAL_STATES

log = logging.getLogger(__name__)


class Plan(Protocol):
    """What every plan tells: running, done, stopped or failed, and why."""

    state: str
    message: str


P = TypeVar("P", bound=Plan)


class Workflow(Generic[P]):
    """One kind of plan: where its files lie, how they are read and written, and how a step is begun.

    ``step`` begins what comes next and may set the plan's state; ``waits_for`` names the runs that must be done
    before.
    """

    def __init__(
        self,
        name: str,
        files: Callable[[App], Iterable[Path]],
        decode: Callable[[Any], P],
        encode: Callable[[P], Any],
        step: Callable[[App, P], None],
        waits_for: Callable[[P], Sequence[str]],
    ) -> None:
        self.name = name
        self._files, self._decode, self._encode = files, decode, encode
        self._step, self._waits_for = step, waits_for
        self.lock = threading.RLock()  # pages, the command line and the background all go on with a plan

    # ---- the file ---------------------------------------------------------------------------------------------
    def load(self, path: Path) -> P:
        """A plan; raises ConfigError for a file that can't be read."""
        try:
            return self._decode(json.loads(path.read_bytes()))
        except (OSError, ValueError, TypeError, KeyError, AttributeError, KdError) as exc:
            reason = str(exc).splitlines()[0] if str(exc) else type(exc).__name__
            raise ConfigError(
                f"{self.name}: the plan {path.name} can't be read ({reason}); it is damaged or of another version, "
                "and is left as it is."
            ) from exc

    def save(self, path: Path, plan: P) -> None:
        """Write a plan as a whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, self._encode(plan))

    # ---- going on ---------------------------------------------------------------------------------------------
    def advance(self, app: App) -> None:
        """Go one step further with every running plan whose runs are done."""
        with self.lock:
            for path in self._files(app):
                where = f"{self.name} {path.name}"
                try:
                    plan = self.load(path)
                except ConfigError as exc:
                    app.tell(where, str(exc))
                    continue
                app.settle(where)
                if plan.state == "running":
                    self._advance(app, path, plan)

    def _advance(self, app: App, path: Path, plan: P) -> None:
        before = deepcopy(plan)
        try:
            if not self.are_done(app, self._waits_for(plan)):
                return
            self._step(app, plan)
        except KdError as exc:
            plan.state, plan.message = "failed", str(exc)
        except Exception as exc:
            log.exception("%s: a step of %s failed", self.name, path.name)
            app.tell(f"{self.name} {path.name}", f"a step of {self.name} failed ({type(exc).__name__}: {exc})")
            plan.state = "failed"
            plan.message = f"the app itself failed ({type(exc).__name__}); its log has the cause"
        if plan != before:  # a queue that waits is looked at once a second, and not written
            self.save(path, plan)

    def are_done(self, app: App, run_ids: Sequence[str]) -> bool:
        """Whether runs have ended well and are in the store; what is no run is done. Raises KdError for a failed."""
        for run_id in run_ids:
            if not run_id or not (app.folders.runs / run_id).is_dir():
                continue
            status = app.status(run_id)
            if status.state not in TERMINAL_STATES:
                return False
            if status.state != "done":
                raise KdError(f"run {run_id} {status.state}: {status.message}")
        return True

    def go_on(self, app: App, path: Path) -> P:
        """Take a stopped or failed plan up again: its unfinished runs are resumed, a step that never began begins."""
        with self.lock:
            plan = self.load(path)
            if plan.state not in ("stopped", "failed"):
                raise ConfigError(f"{self.name}: this plan is {plan.state}; only a stopped or failed one can go on.")
            for run_id in self._waits_for(plan):
                if run_id and (app.folders.runs / run_id).is_dir() and app.status(run_id).state != "done":
                    app.launch(app.run_dir(run_id))
            plan.state, plan.message = "running", ""
            self.save(path, plan)
            return plan

    def stop(self, app: App, path: Path) -> None:
        """End a plan and what is under way for it; what it made stays."""
        with self.lock:
            plan = self.load(path)
            if plan.state == "running":
                plan.state, plan.message = "stopped", "stopped as asked"
                self.save(path, plan)
            for run_id in self._waits_for(plan):
                if run_id and app.status(run_id).state not in TERMINAL_STATES:
                    app.stop(run_id)

    def wait(self, app: App, path: Path, every_s: float = 0.25, on_poll: Callable[[P], None] | None = None) -> P:
        """Block until a plan has ended (for the command line)."""
        while (plan := self.load(path)).state == "running":
            if on_poll is not None:
                on_poll(plan)
            app.tick()
            self.advance(app)
            time.sleep(every_s)
        return plan
