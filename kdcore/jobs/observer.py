"""What runs are doing, as the app sees it: a worker that vanished is told from one that is slow."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from kdcore.jobs.backends import Backend
from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status
from kdcore.types import TERMINAL_STATES

LOST_AFTER_S = 3.0
NOT_BEGUN_AFTER_S = 20.0  # without a process: a slow machine may still be making it


@dataclass
class Observer:
    """Tells lost workers from slow ones by the observer's own monotonic clock, never by wall time."""

    backend: Backend
    _seen: dict[str, tuple[int, float]] = field(default_factory=dict[str, tuple[int, float]])

    def look(self, run: RunDir) -> Status:
        """Read a run's status; a worker that vanished is written down as failed, with what to do."""
        status = run.status()
        if status.state in TERMINAL_STATES or not status.epoch:
            self._seen.pop(run.run_id, None)
            return status
        now = time.monotonic()
        beat, since = self._seen.get(run.run_id, (-1, now))
        if beat != status.heartbeat:
            self._seen[run.run_id] = (status.heartbeat, now)
            return status
        patience = LOST_AFTER_S if status.pid else NOT_BEGUN_AFTER_S
        if now - since < patience or self.backend.alive(status):
            return status
        self.backend.clear(status)
        if status.pid:
            what = f"the worker of {run.run_id} ended without a word (killed or out of memory)"
        else:
            what = f"the app ended while it started the worker of {run.run_id}"
        lost = replace(
            status, state="failed", message=f"{what}; everything it finished is kept, resume makes what is missing"
        )
        try:
            if status.pid:
                run.seal_journals()  # nobody writes to them any more: a later cut must be seen
            run.write_status(lost, durable=True)
        except OSError:  # a full disk: it is told, and written down once there is space
            self._seen[run.run_id] = (beat, since)
        return lost
