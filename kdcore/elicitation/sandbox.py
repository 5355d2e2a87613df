"""Run code that a model wrote: another process, no network, no file, little time and memory.

On Linux a seccomp filter refuses sockets, new programs, and to open, move or remove any file from before the
first line of the code; a few modules of the standard library are loaded before. Resource limits bound
processor time and memory, and what it prints is read up to a limit. It is no wall against code that attacks
the kernel, so it runs under the user's own rights and no more.
"""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass

CPU_S = 4
WALL_S = 10.0
MEMORY = 512 * 1024 * 1024
OUTPUT = 20_000

# The child shuts the doors behind itself, then reads the code from its standard input.
_GUARD = r"""
import ctypes, platform, resource, struct, sys
def limit(name, value):
    resource.setrlimit(getattr(resource, name), (value, value))
source = sys.stdin.read()
limit("RLIMIT_CPU", {cpu}); limit("RLIMIT_FSIZE", 0); limit("RLIMIT_NOFILE", 16); limit("RLIMIT_CORE", 0)
limit("RLIMIT_AS", {memory})
import bisect, cmath, collections, dataclasses, datetime, decimal, fractions, functools, heapq, itertools, json
import math, operator, random, re, statistics, string, typing
calls = {{"x86_64": (0xC000003E, (41, 42, 49, 50, 53, 56, 57, 58, 59, 62, 101, 310, 322, 425, 435,
                               2, 85, 257, 437, 76, 82, 83, 84, 86, 87, 88, 90, 258, 263, 264, 265, 266, 268, 316)),
         "aarch64": (0xC00000B7, (198, 199, 200, 201, 203, 220, 221, 129, 117, 270, 281, 425, 435,
                                56, 437, 34, 35, 36, 37, 38, 45, 53, 276))}}
machine = platform.machine()
if sys.platform != "linux" or machine not in calls:
    sys.exit("no sandbox on this system")
arch, refused = calls[machine]
rule = lambda code, yes, no, k: struct.pack("HBBI", code, yes, no, k)
program = [rule(0x20, 0, 0, 4), rule(0x15, 1, 0, arch), rule(0x06, 0, 0, 0), rule(0x20, 0, 0, 0)]
for place, number in enumerate(refused):
    program.append(rule(0x15, len(refused) - place, 0, number))
program += [rule(0x06, 0, 0, 0x7FFF0000), rule(0x06, 0, 0, 0x00050001)]
data = b"".join(program)
buffer = ctypes.create_string_buffer(data, len(data))
class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
libc = ctypes.CDLL(None, use_errno=True)
shut = Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
if libc.prctl(38, 1, 0, 0, 0) or libc.prctl(22, 2, ctypes.byref(shut), 0, 0):
    sys.exit("no sandbox on this system")
exec(compile(source, "<answer>", "exec"), {{"__name__": "__main__"}})
"""


@dataclass(frozen=True, slots=True)
class CodeResult:
    """What a program printed; ``error`` is "" when it ended well."""

    output: str
    error: str = ""


def run_code(source: str) -> CodeResult:
    """Run Python source and return what it printed; never raises for what the code does."""
    guard = _GUARD.format(cpu=CPU_S, memory=MEMORY)
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", guard],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tempfile.gettempdir(),
        env={"PATH": "", "LANG": "C.UTF-8"},
    )
    said: dict[str, bytes] = {}
    readers = [
        threading.Thread(target=_read, args=(process, name, said), daemon=True) for name in ("stdout", "stderr")
    ]
    for reader in readers:
        reader.start()
    with contextlib.suppress(BrokenPipeError), process.stdin as stdin:  # pyright: ignore[reportOptionalContextManager]
        stdin.write(source.encode("utf-8", "replace"))
    try:
        process.wait(WALL_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return CodeResult("", f"it did not end within {WALL_S:.0f} s")
    finally:
        for reader in readers:
            reader.join(timeout=5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    output = said.get("stdout", b"").decode("utf-8", "replace").strip()
    if process.returncode == 0:
        return CodeResult(output)
    lines = said.get("stderr", b"").decode("utf-8", "replace").strip().splitlines()
    return CodeResult(output, lines[-1][:300] if lines else f"it was ended by signal {-process.returncode}")


def _read(process: subprocess.Popen[bytes], name: str, said: dict[str, bytes]) -> None:
    """Read up to the limit; a program that says more is ended."""
    stream = getattr(process, name)
    said[name] = stream.read(OUTPUT)
    if stream.read(1):
        process.kill()
