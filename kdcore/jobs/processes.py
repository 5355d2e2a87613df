"""Which process a worker is, and what belongs to it: told by the kernel, never by the clock or a number alone.

A number of a process is given out again, after a start of the machine from the beginning. So a worker is known by
its number, the boot, and the tick at which it began; and what descends from it by a mark in its environment. What
can't be proven ours is never ended.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import psutil

MARK = "KD_WORKER"  # in the environment of a worker and of all that it starts
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def mark_of(run_id: str, epoch: int) -> str:
    """What one attempt at a run, and all that it starts, carries."""
    return f"{run_id}#{epoch}"


def identity(pid: int) -> str:
    """Boot and starting tick of a live process, the same as long as it lives; "" where there is none."""
    try:
        if not _BOOT.exists():
            return f"{psutil.Process(pid).create_time():.0f}"  # no kernel that counts ticks for us
        stat = Path(f"/proc/{pid}/stat").read_text()
        ticks = stat.rpartition(")")[2].split()[19]  # field 22; the name before it may hold blanks
        return f"{_BOOT.read_text().strip()}:{ticks}"
    except (OSError, IndexError, psutil.Error):
        return ""


def is_running(pid: int, known: str) -> bool:
    """Whether the very process with this identity still runs."""
    if not pid or not known or identity(pid) != known:
        return False
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def members(group: int, mark: str) -> list[int]:
    """Live processes of a group that carry the mark of an attempt, engine processes included."""
    if group <= 0 or not mark:
        return []
    found: list[int] = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getpgid(process.pid) == group and process.status() != psutil.STATUS_ZOMBIE:
                found += [process.pid] if _carries(process, mark) else []
    return found


def end(group: int, mark: str, grace_s: float, collect: Callable[[], None]) -> None:
    """End what an attempt left of a group: TERM, wait, KILL, until none is left; ``collect`` reaps zombies."""
    deadline = time.monotonic() + grace_s
    if grace_s and (left := members(group, mark)):
        _signal(left, mark, signal.SIGTERM)
        while members(group, mark) and time.monotonic() < deadline:
            collect()
            time.sleep(0.1)
    last = time.monotonic() + 15.0
    while (left := members(group, mark)) and time.monotonic() < last:
        _signal(left, mark, signal.SIGKILL)
        collect()
        time.sleep(0.05)


def _carries(process: psutil.Process, mark: str) -> bool:
    return process.environ().get(MARK) == mark


def _signal(pids: list[int], mark: str, number: signal.Signals) -> None:
    """Signal processes that are held fast while it is looked once more whether they are ours."""
    for pid in pids:
        with contextlib.suppress(psutil.Error, OSError):
            if not hasattr(os, "pidfd_open"):
                os.kill(pid, number)
                continue
            held = os.pidfd_open(pid)
            try:
                if _carries(psutil.Process(pid), mark):
                    signal.pidfd_send_signal(held, number)
            finally:
                os.close(held)
