"""What runs before a program that a model wrote, in a process of its own: shut every door, then run it.

Started by ``sandbox`` as ``python -I -S sandbox_child.py CPU_SECONDS MEMORY_BYTES``; it imports nothing of this
project. The program comes by standard input; what it prints leaves by standard output, with NUL and its error (or
nothing) at the end. Two walls: namespaces of its own with no file, no network and no other process in them, where
the kernel grants them; and an allow-list of system calls, always.
"""

import contextlib
import ctypes
import os
import platform
import re
import resource
import signal
import struct
import sys

# Modules that a program may use: those it names are loaded while files can still be read, as none can be later.
MODULES = (
    "abc", "array", "base64", "binascii", "bisect", "calendar", "cmath", "collections", "colorsys", "contextlib",
    "copy", "csv", "dataclasses", "datetime", "decimal", "difflib", "enum", "fractions", "functools", "hashlib",
    "heapq", "html", "inspect", "io", "itertools", "json", "locale", "math", "numbers", "operator", "pprint", "queue",
    "random", "re", "secrets", "statistics", "string", "struct", "textwrap", "threading", "time", "timeit",
    "traceback", "types", "typing", "unicodedata", "unittest", "uuid", "warnings", "zlib",
)  # fmt: skip
LATER = {"datetime": "_strptime", "time": "_strptime", "collections": "collections.abc", "json": "encodings.latin_1"}

# The calls that pure computing needs: its own memory, its own pipe, the clock, chance, its end. By machine: the audit
# number of the architecture, then read write close fstat lseek mmap mprotect munmap brk rt_sigaction rt_sigprocmask
# rt_sigreturn writev sched_yield mremap madvise nanosleep getpid exit gettimeofday getrusage times sigaltstack gettid
# restart_syscall futex clock_gettime clock_getres clock_nanosleep exit_group getrandom rseq.
CALLS = {
    "x86_64": (0xC000003E, (0, 1, 3, 5, 8, 9, 10, 11, 12, 13, 14, 15, 20, 24, 25, 28, 35, 39, 60, 96, 98, 100, 131,
                            186, 219, 202, 228, 229, 230, 231, 318, 334)),
    "aarch64": (0xC00000B7, (63, 64, 57, 80, 62, 222, 226, 215, 214, 134, 135, 139, 66, 124, 216, 233, 101, 172, 93,
                             169, 165, 153, 132, 178, 128, 98, 113, 114, 115, 94, 278, 293)),
}  # fmt: skip
ALLOW, REFUSE, KILL = 0x7FFF0000, 0x00050001, 0x80000000  # refuse: EPERM, so that an honest program gets an exception
NAMESPACES = 0x10000000 | 0x20000000 | 0x00020000 | 0x40000000 | 0x08000000 | 0x04000000  # user pid mount net ipc uts
PRIVATE, BARE, DETACH = 0x4000 | 0x40000, 1 | 2 | 4 | 8, 2  # of mounts: not shared; read-only, nosuid, nodev, noexec
PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
DEATH_SIGNAL, NO_NEW_PRIVILEGES, SECCOMP, BY_FILTER = 1, 38, 22, 2  # of prctl

libc = ctypes.CDLL(None, use_errno=True)


def limit(name, value):
    """Set a resource limit for good."""
    resource.setrlimit(getattr(resource, name), (value, value))


def part_from_the_world(machine):
    """Namespaces of one's own with an empty root; a second process runs on in them. Without them where refused."""
    libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if libc.unshare(NAMESPACES):
        return
    child = os.fork()
    if child:
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        os._exit(code if code >= 0 else 128 - code)
    libc.prctl(DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if libc.mount(None, b"/", None, PRIVATE, None) or libc.mount(b"none", b"/tmp", b"tmpfs", BARE, b"size=4k"):
        return
    os.chdir("/tmp")
    if not libc.syscall(PIVOT_ROOT[machine], b".", b"."):
        libc.umount2(b".", DETACH)
    os.chdir("/")


def shut(machine):
    """Allow the calls of ``CALLS`` and no other from here on; True where the kernel took the filter."""
    arch, allowed = CALLS[machine]

    def rule(code, yes, no, value):
        return struct.pack("HBBI", code, yes, no, value)

    load, equal, answer = 0x20, 0x15, 0x06
    program = [rule(load, 0, 0, 4), rule(equal, 1, 0, arch), rule(answer, 0, 0, KILL), rule(load, 0, 0, 0)]
    program += [rule(equal, len(allowed) - place, 0, number) for place, number in enumerate(allowed)]
    program += [rule(answer, 0, 0, REFUSE), rule(answer, 0, 0, ALLOW)]
    data = b"".join(program)
    buffer = ctypes.create_string_buffer(data, len(data))

    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("rules", ctypes.c_void_p)]

    whole = Filter(len(program), ctypes.cast(buffer, ctypes.c_void_p))
    return not libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) and not libc.prctl(
        SECCOMP, BY_FILTER, ctypes.byref(whole), 0, 0
    )


def say(error):
    """Send the end of the result: NUL, then what went wrong, nothing if nothing did."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os.write(1, b"\0" + error.encode("utf-8", "replace")[:2000])


def run(source):
    """Run the program; its own exceptions are its result."""
    try:
        exec(compile(source, "<answer>", "exec"), {"__name__": "__main__"})
    except SystemExit as exc:
        return "" if exc.code in (None, 0) else f"it ended itself with {exc.code!r}"
    except BaseException as exc:
        return f"{type(exc).__name__}: {exc}".splitlines()[0]
    return ""


def main():
    """Read, load, shut, run."""
    machine = platform.machine()
    if sys.platform != "linux" or machine not in CALLS:
        return say("no sandbox on this system")
    source = sys.stdin.buffer.read().decode("utf-8", "replace")
    limit("RLIMIT_CPU", int(sys.argv[1]))
    limit("RLIMIT_AS", int(sys.argv[2]))
    limit("RLIMIT_FSIZE", 0)
    limit("RLIMIT_CORE", 0)
    for name in MODULES:
        if re.search(rf"\b{name}\b", source):
            __import__(name)
            if name in LATER:
                __import__(LATER[name])
    part_from_the_world(machine)
    for inherited in (0, 2):
        os.close(inherited)
    limit("RLIMIT_NOFILE", 2)
    if not shut(machine):
        return say("no sandbox on this system")
    os.environ.clear()
    sys.stdin = sys.stderr = None
    say(run(source))
    os._exit(0)


main()
