"""Where workers run. A backend starts them, tells whether they live, and ends them; all else is in the run folder."""

from __future__ import annotations

from typing import Protocol

from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status


class Backend(Protocol):
    """One place to run workers: processes of this machine (``local``) today, a cluster tomorrow."""

    def start(self, run: RunDir) -> None:
        """Start or resume the worker of a run; raises JobError where it runs already or can't begin."""
        ...

    def stop(self, run: RunDir, before: Status) -> Status:
        """Wait for the attempt that wrote ``before``, which was asked to stop; see to it that none of it is left."""
        ...

    def alive(self, status: Status) -> bool:
        """Whether the very worker that wrote ``status`` still runs."""
        ...

    def clear(self, status: Status) -> None:
        """End what is left of a worker that vanished, and let go of those that have ended."""
        ...
