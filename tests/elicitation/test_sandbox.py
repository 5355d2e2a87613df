"""Code that a model wrote: what it may do, and what is refused."""

import os

import pytest

from kdcore.elicitation import sandbox
from kdcore.elicitation.sandbox import run_code


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
    assert "signal" in run_code("while True: pass").error


def test_a_flood_is_cut():
    result = run_code("while True: print('x' * 1000)")
    assert result.error
    assert len(result.output) <= sandbox.OUTPUT
