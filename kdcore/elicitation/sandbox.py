"""Run code that a model wrote, or that came with a file: a process that can compute and print, and nothing else.

What it can't do is in ``sandbox_child`` and ADR 19: it has no file, no network, no other process in reach, its
environment is empty, processor time, memory and output are bounded. It is no wall against a fault of the kernel.
"""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CPU_S = 4
WALL_S = 10.0
MEMORY = 512 * 1024 * 1024
OUTPUT = 20_000
_CHILD = Path(__file__).with_name("sandbox_child.py")
_SIGNALLED = 128  # and the signal's number: how the child tells that its program was ended
# Tried once before any other program: each of these must fail.
_DOORS = """
import threading
def shut(door):
    try:
        door()
    except Exception:
        return True
    return False
import os
print(all(map(shut, (os.fork, os.getcwd, os.pipe, lambda: os.kill(os.getppid(), 0), lambda: os.listdir("/"),
    lambda: open("/etc/hostname"), lambda: threading.Thread(target=print).start()))))
"""


@dataclass(frozen=True, slots=True)
class CodeResult:
    """What a program printed; ``error`` is "" when it ended well."""

    output: str
    error: str = ""


def run_code(source: str) -> CodeResult:
    """Run Python source and return what it printed; never raises for what the code does."""
    process = subprocess.Popen(
        [sys.executable, "-I", "-S", "-X", "utf8", str(_CHILD), str(CPU_S), str(MEMORY)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd="/",
        env={},
    )
    said: list[bytes] = []
    reader = threading.Thread(target=_read, args=(process, said), daemon=True)
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
        reader.join(timeout=5)
        if process.stdout is not None:
            process.stdout.close()
    return _result(b"".join(said), process.returncode)


def _result(said: bytes, code: int) -> CodeResult:
    output, end, error = said.rpartition(b"\0")
    if len(said) > OUTPUT:
        return CodeResult(_text(said[:OUTPUT]), f"it printed more than {OUTPUT} characters")
    if not end:
        number = -code if code < 0 else code - _SIGNALLED
        known = number in {each.value for each in signal.Signals}
        reason = f"it was ended by signal {number}" if known else "it ended before its last line"
        return CodeResult(_text(said), reason + _MEANING.get(number, ""))
    return CodeResult(_text(output), _text(error)[:300])


_MEANING: dict[int, str] = {
    int(signal.SIGXCPU): f" (more than {CPU_S} s of processor time)",
    int(signal.SIGKILL): " (too much processor time or memory)",
}


def _text(said: bytes) -> str:
    return said.decode("utf-8", "replace").strip()


def _read(process: subprocess.Popen[bytes], said: list[bytes]) -> None:
    """Read up to the limit; a program that says more is ended."""
    assert process.stdout is not None
    said.append(process.stdout.read(OUTPUT + 1))
    if len(said[0]) > OUTPUT:
        process.kill()


@cache
def refusal() -> str:
    """Why no program can be run safely on this machine, "" where one can; tried once in a process."""
    tried = run_code(_DOORS)
    if tried == CodeResult("True"):
        return ""
    return f"programs can't be shut off from this machine ({tried.error or 'a door stayed open'})"
