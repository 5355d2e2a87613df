"""Run code that a model wrote: another process, no network, no new files, little time and memory.

On Linux a seccomp filter refuses sockets and new programs from before the first line of the code; resource
limits bound processor time, memory, files and processes everywhere. It keeps a careless program from doing
harm; it is no wall against one written to break out, so it runs under the user's own rights and no more.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
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
calls = {{"x86_64": (0xC000003E, (41, 42, 49, 50, 53, 56, 57, 58, 59, 62, 101, 322, 435)),
         "aarch64": (0xC00000B7, (198, 199, 200, 201, 203, 220, 221, 129, 117, 281, 435))}}
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
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", guard],
                input=source.encode("utf-8", "replace"),
                capture_output=True,
                timeout=WALL_S,
                cwd=folder,
                env={"PATH": "", "LANG": "C.UTF-8"},
            )
        except subprocess.TimeoutExpired:
            return CodeResult("", f"it did not end within {WALL_S:.0f} s")
    output = done.stdout[:OUTPUT].decode("utf-8", "replace").strip()
    if done.returncode == 0:
        return CodeResult(output)
    said = done.stderr.decode("utf-8", "replace").strip().splitlines()
    return CodeResult(output, said[-1][:300] if said else f"it was ended by signal {-done.returncode}")
