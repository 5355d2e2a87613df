"""Code that a model wrote: what it may do, and what is refused."""

import contextlib
import os
import subprocess
import sys
import threading

import psutil
import pytest

from kdcore.elicitation import sandbox
from kdcore.elicitation.sandbox import run_code

pytestmark = pytest.mark.processes


def test_plain_code_runs():
    assert run_code("import math\nprint(math.floor(7.9))").output == "7"


@pytest.mark.parametrize(
    "code",
    [
        "import socket; socket.create_connection(('127.0.0.1', 80))",
        "import os; os.fork()",
        "import subprocess; subprocess.run(['ls'])",
        "x = 'a' * 10**10",
        "import os; os.kill(os.getppid(), 9)",
        "open('kd-sandbox-test', 'w')",
        "print(open('/etc/passwd').read())",
        "import os; print(open(f'/proc/{os.getppid()}/environ').read())",
        "import os; os.mkdir('kd-sandbox-test')",
    ],
)
def test_refused(code):
    result = run_code(code)
    assert result.error
    assert not result.output


def test_no_file_is_removed_or_emptied(tmp_path):
    kept = tmp_path / "kept.txt"
    kept.write_text("work of weeks")
    for code in ("import os; os.unlink({0!r})", "open({0!r}, 'w')", "import os; os.rename({0!r}, {0!r} + '2')"):
        assert run_code(code.format(str(kept))).error
    assert kept.read_text() == "work of weeks"
    assert os.listdir(tmp_path) == ["kept.txt"]


def test_what_does_not_end_is_ended(monkeypatch):
    monkeypatch.setattr(sandbox, "CPU_S", 1)
    assert "too much processor time" in run_code("while True: pass").error
    monkeypatch.setattr(sandbox, "WALL_S", 0.5)
    assert run_code("import time; time.sleep(60)").error == "it did not end within 0 s"


# ---- what a program can ask of the kernel -----------------------------------------------------------------
# name → call and arguments, by the numbers of x86-64; PARENT is the process that reads the result
ATTACKS = {
    "tkill the reader": "200, os.getppid(), 9",
    "tgkill the reader": "234, PARENT, PARENT, 9",
    "kill all": "62, -1, 9",
    "kill the group": "62, 0, 9",
    "pidfd_open": "434, PARENT, 0",
    "pidfd_send_signal": "424, 1, 9, 0, 0",
    "pidfd_getfd": "438, 1, 1, 0",
    "process_vm_readv": "310, PARENT, 0, 0, 0, 0, 0",
    "process_vm_writev": "311, PARENT, 0, 0, 0, 0, 0",
    "ptrace": "101, 16, PARENT, 0, 0",
    "prlimit64": "302, PARENT, 0, 0, 0",
    "setpriority": "141, 0, PARENT, 19",
    "sched_setaffinity": "203, PARENT, 8, 0",
    "ftruncate": "77, 1, 0",
    "fcntl F_SETOWN": "72, 1, 8, PARENT",
    "ioctl FIOASYNC": "16, 1, 0x5452, b'\\1'",
    "mknod": "133, b'/tmp/kd-sandbox-x', 0o100644, 0",
    "mknodat": "259, -100, b'/tmp/kd-sandbox-x', 0o100644, 0",
    "openat": "257, -100, b'/etc/passwd', 0",
    "openat2": "437, -100, b'/etc/passwd', 0, 24",
    "open_by_handle_at": "304, -100, 0, 0",
    "name_to_handle_at": "303, -100, b'/', 0, 0, 0",
    "chown": "92, b'/etc/passwd', 0, 0",
    "fchmodat2": "452, -100, b'/etc/passwd', 0o666, 0",
    "utimensat": "280, -100, b'/etc/passwd', 0, 0",
    "setxattr": "188, b'/tmp', b'user.x', b'x', 1, 0",
    "mount": "165, b'none', b'/tmp', b'tmpfs', 0, 0",
    "umount2": "166, b'/', 2",
    "pivot_root": "155, b'.', b'.'",
    "chroot": "161, b'/'",
    "unshare": "272, 0x10000000",
    "setns": "308, 1, 0",
    "clone": "56, 17, 0, 0, 0, 0",
    "clone3": "435, 0, 0",
    "execve": "59, b'/bin/true', 0, 0",
    "memfd_create": "319, b'x', 0",
    "userfaultfd": "323, 0",
    "keyctl": "250, 0, -3, 0, 0, 0",
    "shmget": "29, 0, 4096, 0o1600",
    "msgget": "68, 0, 0o1600",
    "socket": "41, 2, 1, 0",
    "socketpair": "53, 1, 1, 0, 0",
    "io_uring_setup": "425, 1, 0",
    "bpf": "321, 0, 0, 0",
    "perf_event_open": "298, 0, 0, -1, -1, 0",
    "reboot": "169, 0, 0, 0, 0",
    "seccomp": "317, 0, 0, 0",
    "prctl": "157, 1, 0, 0, 0",
    "x32 open": "0x40000002, b'/etc/passwd', 0",
}
ASK = """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
PARENT = {parent}
for name, call in {calls}.items():
    print(name, libc.syscall(*eval("(" + call + ",)")), ctypes.get_errno())
"""


def tried(calls: dict[str, str]) -> list[str]:
    result = run_code(ASK.format(parent=os.getpid(), calls=calls))
    assert not result.error
    return result.output.splitlines()


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
def test_the_kernel_refuses_what_is_not_pure_computing():
    assert tried(ATTACKS) == [f"{name} -1 1" for name in ATTACKS]  # EPERM


def without(monkeypatch, tmp_path, wall: str, by: str) -> None:
    """Take one of the two walls down."""
    text = sandbox._CHILD.read_text()
    assert text.count(wall) == 1
    (tmp_path / "child.py").write_text(text.replace(wall, by))
    monkeypatch.setattr(sandbox, "_CHILD", tmp_path / "child.py")


LOOKS = {
    "files": "import os; print(os.listdir('/'), os.path.exists('/etc/passwd'), os.path.exists('/proc/self'))",
    "network": "import _socket\ntry: _socket.socket().connect(('127.0.0.1', 1))\nexcept OSError as e: print(e.errno)",
    "processes": "import os\ntry: os.kill({parent}, 0)\nexcept OSError as e: print(os.getpid(), e.errno)",
}


@pytest.mark.parametrize(
    ("what", "seen"), [("files", "[] False False"), ("network", "101"), ("processes", "1 3")]
)  # ENETUNREACH, ESRCH
def test_namespaces_alone_show_nothing(monkeypatch, tmp_path, what, seen):
    without(monkeypatch, tmp_path, "if not shut(machine)", "if not machine")
    without_limit = (tmp_path / "child.py").read_text().replace('limit("RLIMIT_NOFILE", 2)', "pass")
    (tmp_path / "child.py").write_text(without_limit.replace('"array",', '"array", "_socket",'))
    granted = "import ctypes, sys; sys.exit(ctypes.CDLL(None).unshare(0x10000000 | 0x20000000 | 0x00020000))"
    if subprocess.run([sys.executable, "-c", granted]).returncode:
        pytest.skip("no namespaces are granted here; the allow-list holds alone")
    assert run_code(LOOKS[what].format(parent=os.getpid())).output == seen


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="the numbers are those of x86-64")
def test_the_allow_list_alone_refuses(monkeypatch, tmp_path):
    without(monkeypatch, tmp_path, "    part_from_the_world(machine)\n", "")
    assert tried(ATTACKS) == [f"{name} -1 1" for name in ATTACKS]
    assert sandbox.refusal.__wrapped__() == ""


def test_where_neither_wall_stands_programs_stay_off(monkeypatch, tmp_path):
    without(monkeypatch, tmp_path, "if not shut(machine)", "if not machine")
    text = (tmp_path / "child.py").read_text().replace("    part_from_the_world(machine)\n", "")
    (tmp_path / "child.py").write_text(text)
    assert "a door stayed open" in sandbox.refusal.__wrapped__()


def test_a_program_has_no_environment_and_only_its_pipe(monkeypatch):
    monkeypatch.setenv("SECRET_API_KEY", "canary")
    assert run_code("import os; print(dict(os.environ))").output == "{}"
    code = """
import os
for number in range(64):
    try:
        os.write(number, b"")
        print(number, end=" ")
    except OSError:
        pass
"""
    assert run_code(code).output == "1"


def test_no_secret_lies_in_the_memory_that_a_program_begins_with(monkeypatch):
    """What was handed over at the start stays in a process, also where its own tables are emptied."""
    monkeypatch.setenv("SECRET_API_KEY", "canary")
    began = threading.Thread(target=run_code, args=("import time; time.sleep(1)",))
    began.start()
    mine, found = psutil.Process(), []
    while began.is_alive() and not found:
        with contextlib.suppress(psutil.Error):  # another child of the tests that is just ending
            found = [child.environ() for child in mine.children() if "sandbox_child" in " ".join(child.cmdline())]
    began.join()
    assert found and all("SECRET_API_KEY" not in each for each in found)


def test_honest_programs_find_what_they_name():
    code = """
import datetime, collections, itertools, json, re, statistics, unittest
from dataclasses import dataclass
@dataclass
class Dose:
    mg: float
day = datetime.datetime.strptime("2026-01-02", "%Y-%m-%d")
print(day.year, statistics.mean([1, 2]), json.dumps({"a": Dose(1.5).mg}))
"""
    assert run_code(code).output == '2026 1.5 {"a": 1.5}'


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("1/0", "ZeroDivisionError: division by zero"),
        ("import sys; sys.exit('no')", "it ended itself with 'no'"),
        ("import os; os._exit(0)", "it ended before its last line"),
        ("print('\\0')\n1/0", "ZeroDivisionError: division by zero"),
        ("def f(:", "SyntaxError: invalid syntax (<answer>, line 1)"),
        ("x = [0] * 10**9", "MemoryError: "),
    ],
)
def test_an_error_is_told_in_its_words(code, error):
    assert run_code(code).error == error.strip()
