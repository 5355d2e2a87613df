"""What a reader of people's files gives up before it opens them: memory, time, every network, every other file.

Other files by Landlock (``landlock(7)``), which a process asks for by itself, without a right: from then on the
kernel refuses every other path to it and to what it starts. A file that takes over its reader finds no other upload,
run or key.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from collections.abc import Iterable
from pathlib import Path

MEMORY_BYTES = 4 * 2**30
CPU_SECONDS = 600
FILE_BYTES = 3 * 2**30
CREATE, ADD, RESTRICT = 444, 445, 446  # system calls, the same on every architecture
VERSION, BENEATH, NO_NEW_PRIVILEGES = 1, 1, 38
EXECUTE, WRITE_FILE, READ_FILE, READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
EVERYTHING = (1 << 13) - 1  # reading, writing, making and removing, as the first version knows them
REFER, TRUNCATE = 1 << 13, 1 << 14  # of its second and third version
OF_A_FILE = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE
READ = EXECUTE | READ_FILE | READ_DIR
# Of ``/proc`` what is of the machine and of this process (``self``): others' folders there tell their environment. Of
# ``/etc`` what libraries look up, for keys may lie beside it.
SYSTEM = (
    "/usr", "/lib", "/lib64", "/sys", "/dev/null", "/dev/urandom", "/dev/zero",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/passwd", "/etc/nsswitch.conf",
    "/etc/fonts", "/etc/ssl",
    "/proc/self", "/proc/stat", "/proc/meminfo", "/proc/cpuinfo", "/proc/uptime", "/proc/sys/kernel",
)  # fmt: skip


class _Ruleset(ctypes.Structure):
    _fields_ = [("handled", ctypes.c_uint64)]


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _layout_ = "ms"
    _fields_ = [("allowed", ctypes.c_uint64), ("parent", ctypes.c_int32)]


def limit() -> None:
    """Bound memory, processor time and file size, so that a bomb ends this process and nothing else."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, FILE_BYTES),
    ):
        hard = resource.getrlimit(what)[1]
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        with contextlib.suppress(ValueError):  # a system that knows no such limit (macOS has no RLIMIT_AS)
            resource.setrlimit(what, (bound, hard))


CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000


def cut_off() -> bool:
    """Leave every network for good, so that no file makes its reader call anybody; False where that is refused."""
    if sys.platform != "linux":
        return False
    return not ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER | CLONE_NEWNET)


def see_only(read: Iterable[Path], write: Iterable[Path], away_from: Path) -> bool:
    """Shut everything else out, for good; False where this kernel can't. No library's path opens ``away_from``.

    Threads that run already are not bound, so it comes first.
    """
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE, None, 0, VERSION)
    if version < 1:
        return False
    handled = EVERYTHING | (REFER if version >= 2 else 0) | (TRUNCATE if version >= 3 else 0)
    ruleset = libc.syscall(CREATE, ctypes.byref(_Ruleset(handled)), ctypes.sizeof(_Ruleset), 0)
    if ruleset < 0:
        return False
    try:
        for path in {*map(Path, SYSTEM), *_libraries(away_from), *read}:
            _allow(libc, ruleset, path, READ & handled)
        for path in write:
            _allow(libc, ruleset, path, handled)
        return not libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) and not libc.syscall(RESTRICT, ruleset, 0)
    finally:
        os.close(ruleset)


def _libraries(away_from: Path) -> set[Path]:
    """Where Python finds its modules; not a checkout that the workspace lies in, of which only the package."""
    places = {Path(place).resolve() for place in (sys.prefix, sys.base_prefix, *sys.path) if place}
    package = Path(__file__).resolve().parents[1]
    return {place for place in places if not away_from.resolve().is_relative_to(place)} | {package}


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        parent = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there needs no rule
    try:
        wanted = rights if path.is_dir() else rights & OF_A_FILE
        libc.syscall(ADD, ruleset, BENEATH, ctypes.byref(_Beneath(wanted, parent)), 0)
    finally:
        os.close(parent)
