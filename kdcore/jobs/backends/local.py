"""Workers as processes of this machine. Each is its own process group; stopped means none of it is left.

The app may die and come back: everything here is worked out again from the run folder and the
operating system's process table.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace

import psutil

from kdcore import resources
from kdcore.errors import JobError
from kdcore.jobs import processes
from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status
from kdcore.types import TERMINAL_STATES

SAVING_S = 900.0
MIN_FREE_BYTES = 500 * 1024 * 1024


def is_alive(status: Status) -> bool:
    """Whether the very process that wrote ``status`` still runs."""
    if status.identity:
        return processes.is_running(status.pid, status.identity)
    return bool(status.pid) and _is_alive_by_the_clock(status)


def _is_alive_by_the_clock(status: Status) -> bool:
    """The same for a worker that a version until 0.2.0 started."""
    try:
        process = psutil.Process(status.pid)
        same = abs(process.create_time() - status.start_time) < 1.0
        return same and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def start(run: RunDir) -> int:
    """Spawn the worker for a run that is queued or ended; return its pid.

    Raises JobError when it runs already or when the disk is nearly full. An attempt after the first
    seals what the earlier ones wrote and continues with the requests that have no terminal record.
    """
    with (run.path / "start.lock").open("a") as lock:
        try:  # two tabs may ask at once; the kernel's lock goes with the process
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as exc:
            raise JobError(f"run {run.run_id} is being started already.") from exc
        return _start(run)


def _start(run: RunDir) -> int:
    status = run.status()
    if is_alive(status) and status.state not in TERMINAL_STATES:
        raise JobError(f"run {run.run_id} is running already (process {status.pid}).")
    free = psutil.disk_usage(str(run.path)).free
    if free < MIN_FREE_BYTES:
        raise JobError(
            f"only {free // 2**20} MB of disk are free at {run.path}; free at least 500 MB and start again."
        )
    kill_leftovers(status)
    run.seal_journals()
    run.clear_stops()
    epoch = status.epoch + 1
    mark = processes.mark_of(run.run_id, epoch)
    run.write_status(Status("queued", epoch=epoch, message="starting", updated=time.time(), mark=mark), durable=True)
    mounts = ["--mounts", run.mounts.model_dump_json()] if run.mounts is not None else []
    with (run.path / "log.txt").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", f"kdcore.workers.{run.kind}", str(run.path), "--epoch", str(epoch), *mounts],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**_inherited(run.kind), "PYTHONUNBUFFERED": "1", "PYTHONPATH": _import_path(), processes.MARK: mark},
        )
    with _children_lock:
        _children.append(process)
    written = run.status()
    if written.epoch == epoch and not written.pid:
        known = processes.identity(process.pid)
        run.write_status(replace(written, pid=process.pid, identity=known), durable=True)
    return process.pid


_children: list[subprocess.Popen[bytes]] = []
_children_lock = threading.Lock()  # one thread starts a worker while another collects the ended ones


def reap() -> None:
    """Collect workers that have ended, so that none stays a zombie."""
    with _children_lock:
        _children[:] = [child for child in _children if child.poll() is None]


@atexit.register
def _let_go() -> None:
    """Workers outlive the app on purpose, so at its exit a running one is nothing to warn of."""
    reap()
    for child in _children:
        child.returncode = 0


OPENS_FILES = frozenset({"read_upload"})  # workers that read what anybody may have made
PLAIN = ("PATH", "LANG", "TZ", "TMPDIR", "LD_LIBRARY_PATH", "VIRTUAL_ENV", "KD_WORKSPACE")


def _inherited(kind: str) -> dict[str, str]:
    """What a worker knows of the app's environment; one that opens people's files no key of an endpoint."""
    if kind not in OPENS_FILES:
        return dict(os.environ)
    return {name: value for name, value in os.environ.items() if name in PLAIN or name.startswith("LC_")}


def _import_path() -> str:
    return os.pathsep.join(part for part in (str(resources.IMPORT_ROOT), os.environ.get("PYTHONPATH", "")) if part)


def kill_leftovers(status: Status, grace_s: float = 0.0) -> None:
    """End what is left of a worker: itself, and the engine processes of its group; nothing that is not proven its."""
    if status.mark:
        processes.end(status.pid, status.mark, grace_s, reap)
    if not is_alive(status):
        return
    if status.identity:  # started by hand, without a mark: itself is known, its group is not
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(status.pid, signal.SIGKILL)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(status.pid, signal.SIGKILL)  # of 0.2.0 and before: its group has no mark, but its leader lives


def stop(run: RunDir, what: str = "cancel", grace_s: float = 30.0) -> Status:
    """Ask a worker to stop, and see to it that no descendant is alive."""
    before = run.status()
    run.ask(what)
    return see_to_stop(run, before, grace_s)


def see_to_stop(run: RunDir, before: Status, grace_s: float = 30.0) -> Status:
    """Wait for the attempt that wrote ``before``, then end what is left of it; a later attempt is not touched."""
    # Training saves what was learnt before it leaves; everything else is durable at any moment.
    deadline = time.monotonic() + (SAVING_S if run.kind == "distill" else grace_s)
    while is_alive(before) and time.monotonic() < deadline:
        reap()
        time.sleep(0.1)
    kill_leftovers(before, grace_s=2.0)
    status = run.status()
    if status.epoch == before.epoch and status.state not in TERMINAL_STATES:
        run.seal_journals()  # nobody writes to them any more: a later cut must be seen
    if status.epoch == before.epoch and status.state not in TERMINAL_STATES:
        status = replace(status, state="cancelled", message="stopped: the worker did not answer and was ended")
        run.write_status(status, durable=True)
    return status


class LocalBackend:
    """These functions as a ``Backend``."""

    def start(self, run: RunDir) -> None:
        """See ``start``."""
        start(run)

    def stop(self, run: RunDir, before: Status) -> Status:
        """See ``see_to_stop``."""
        return see_to_stop(run, before)

    def alive(self, status: Status) -> bool:
        """See ``is_alive``."""
        reap()
        return is_alive(status)

    def clear(self, status: Status) -> None:
        """See ``kill_leftovers``."""
        kill_leftovers(status)
        reap()
