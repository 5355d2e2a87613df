"""Programs of a teacher and of a file against the worker that runs them, in real processes."""

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil

from kdcore.elicitation import METHODS
from kdcore.services import projects
from kdcore.services.elicit import programs, trial
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App
from tests.conftest import PLAIN
from tests.services.elicit.test_programs import GOOD, brought, scripted

ATTACK = """import ctypes, os
libc = ctypes.CDLL(None)
found = [libc.syscall(200, os.getppid(), 9), libc.syscall(133, b'{place}', 0o100644, 0), libc.syscall(62, -1, 9)]
assert max(found) >= 0, 'nothing worked'
"""


def test_attacks_in_a_cell_and_in_a_reply_end_as_rows_with_a_reason(app: App, tmp_path: Path):
    place = tmp_path / "made-by-a-cell"
    attack = ATTACK.format(place=place)
    project, version = brought(app, tmp_path, [attack, attack, attack])
    method = METHODS["code_with_tests"]
    requests = trial.requests_for(app, project, method.template, None)
    programs.allow(app, project, programs.waiting(app, project, method, requests), "Dr A")
    thought = projects.save_prompt_version(app, project, "t", METHODS["program_of_thought"].template)
    for asked, answer in ((version, GOOD), (thought, f"```python\n{attack}\n```")):
        run = generation_runs.start_run(app, project, asked, scripted(answer), PLAIN)
        assert app.wait(run.run_id, timeout_s=120).state == "done", run.status().message
        rows = app.store.rows("SELECT status, reason FROM samples WHERE run_id = ?", [run.run_id])
        assert [row["status"] for row in rows] == ["unparsed"] * 3
        assert all("nothing worked" in row["reason"] for row in rows), rows
    assert not os.path.lexists(place)


def test_a_program_ends_with_the_worker_that_runs_it():
    """Killed without a word: nothing of it is left."""
    code = "from kdcore.elicitation.sandbox import run_code; run_code('import time; time.sleep(9)')"
    worker = subprocess.Popen([sys.executable, "-c", code])
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and not psutil.Process(worker.pid).children():
        time.sleep(0.02)
    time.sleep(0.2)
    started = psutil.Process(worker.pid).children(recursive=True)
    assert started
    worker.kill()
    worker.wait()
    assert psutil.wait_procs(started, timeout=5)[1] == []
