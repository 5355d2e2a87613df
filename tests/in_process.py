"""A backend that does light work in this process, at once: for tests of what a run wrote, not of how it runs.

How workers start, stop, die and resume is tried with real processes in ``tests/workers`` and by tests marked
``processes``.
"""

from __future__ import annotations

import contextlib
import importlib
import time
from dataclasses import replace
from typing import Any
from unittest import mock

from kdcore.errors import KdError
from kdcore.filters import FILTERS
from kdcore.jobs.backends.local import LocalBackend
from kdcore.jobs.reporter import Reporter, Stopped
from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status
from kdcore.types import TERMINAL_STATES

MODULES = {"read_upload": "read_upload", "generate": "generate.job", "screen": "screen"}


def is_light(kind: str, config: dict[str, Any]) -> bool:
    """Whether a run needs no model and no process of its own."""
    if kind == "screen":
        return not any(need.accelerator for name in config["filters"] for need in FILTERS[name].needs)
    return kind == "read_upload" or (kind == "generate" and config["teacher"]["engine"] == "scripted")


class InProcess(LocalBackend):
    """Light runs have ended when ``start`` returns; others are processes as ever."""

    def start(self, run: RunDir) -> None:
        """Do the whole work of a run; what it raises is its status, as a worker's would be."""
        before = run.status()
        if not is_light(run.kind, run.config()) or (before.epoch and before.state not in TERMINAL_STATES):
            super().start(run)
            return
        run.seal_journals()
        run.clear_stops()
        epoch = before.epoch + 1
        run.write_status(Status("queued", epoch=epoch, message="starting", updated=time.time()))
        worker = importlib.import_module(f"kdcore.workers.{MODULES[run.kind]}")
        unlimited = mock.patch.object(worker, "limit") if run.kind == "read_upload" else contextlib.nullcontext()
        with unlimited, contextlib.suppress(Stopped, KdError), Reporter(run, epoch) as reporter:
            worker.work(run, reporter)
        run.write_status(replace(run.status(), pid=0))  # nobody is to end this process for it
