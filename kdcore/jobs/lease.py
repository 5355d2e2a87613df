"""One accelerator, one holder. The lock is the kernel's, so a dead holder never blocks anyone.

The lock file descriptor is inherited by engine processes on purpose: as long as a descendant still
holds memory on the accelerator, the lease is not free.
"""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

from kdcore.jobs.run_dir import write_json


class Holder(TypedDict, total=False):
    """Who holds the accelerator, since when, and until when where that is known (seconds of the clock)."""

    run_id: str
    pid: int
    since: float
    until: float


def holder(workspace: Path) -> Holder | None:
    """Who holds the accelerator: ``{run_id, pid, since, until}``, or None when it is free."""
    lock = workspace / "accelerator.lock"
    if not lock.exists():
        return None
    with lock.open("a") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            try:
                return json.loads((workspace / "accelerator.json").read_bytes())
            except (FileNotFoundError, ValueError):
                return {"run_id": "", "pid": 0, "since": time.time()}
    return None


def waiting(workspace: Path) -> bool:
    """Whether someone asked for the accelerator in the last few seconds: a warm service then leaves."""
    path = workspace / "accelerator.wanted"
    return path.exists() and abs(time.time() - path.stat().st_mtime) < 5.0  # also after the clock was set back


@contextmanager
def hold(workspace: Path, run_id: str, on_wait: Callable[[Holder], None]) -> Iterator[None]:
    """Hold the accelerator; while another holds it, call ``on_wait(holder)`` twice a second.

    ``on_wait`` may raise to give up (a cancelled run does).
    """
    workspace.mkdir(parents=True, exist_ok=True)
    fd = os.open(workspace / "accelerator.lock", os.O_RDWR | os.O_CREAT, 0o644)
    os.set_inheritable(fd, True)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                (workspace / "accelerator.wanted").touch()
                on_wait(holder(workspace) or {})
                time.sleep(0.5)
        (workspace / "accelerator.wanted").unlink(missing_ok=True)
        write_json(
            workspace / "accelerator.json",
            {"run_id": run_id, "pid": os.getpid(), "since": time.time()},
            durable=False,
        )
        yield
    finally:
        os.close(fd)
