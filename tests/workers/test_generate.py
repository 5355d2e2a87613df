"""Real worker processes with the scripted teacher: killed, stopped, resumed, retried. Nothing lost, nothing twice."""

import json
import os
import random
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from kdcore.configs.teacher import TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.errors import JobError
from kdcore.jobs import processes
from kdcore.jobs.backends import local
from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status
from kdcore.services import projects
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App
from kdcore.types import TERMINAL_STATES
from tests.conftest import PLAIN, import_questions

KILLS = 25
ROWS = 1500
WINDOW = 16


def scripted(**script) -> TeacherConfig:
    return TeacherConfig(engine="scripted", model="scripted", max_concurrency=WINDOW, script=script)


def start(app: App, tmp_path: Path, rows: int, **script) -> RunDir:
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, rows)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    return generation_runs.start_run(app, project, version, scripted(**script), PLAIN)


def wait_for(condition, timeout_s: float = 30.0):
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("waited too long")


def journal_lines(run: RunDir) -> int:
    return sum(path.read_bytes().count(b"\n") for path in run.journals())


def test_killed_again_and_again_loses_and_repeats_nothing(app: App, tmp_path: Path):
    seed = 20261124
    chance = random.Random(seed)
    ledger = tmp_path / "ledger.jsonl"
    run = start(app, tmp_path, ROWS, delay_s=0.002, ledger=str(ledger))
    kills = 0
    for _ in range(KILLS):
        before = journal_lines(run)
        goal = before + chance.randint(1, ROWS // KILLS - 2)
        wait_for(lambda goal=goal: journal_lines(run) >= goal or run.status().state in TERMINAL_STATES)
        if run.status().state in TERMINAL_STATES:
            break
        os.killpg(run.status().pid, signal.SIGKILL)
        kills += 1
        app.tick()
        wait_for(lambda: not local.is_alive(run.status()))
        generation_runs.resume(app, run.run_id)
    assert app.wait(run.run_id).state == "done"
    rows = app.store.rows("SELECT sample_id, request_id, answer, question FROM samples")
    paid = [json.loads(line)["request_id"] for line in ledger.read_bytes().splitlines()]
    assert kills == KILLS, f"only {kills} kills with seed {seed}"
    assert len(rows) == len({r["sample_id"] for r in rows}) == ROWS
    assert all(r["answer"] == f"Answer 0 to: {r['question']}" for r in rows)
    assert set(paid) == {r["request_id"] for r in rows}
    assert len(paid) - len(set(paid)) <= WINDOW * kills
    assert app.store.scalar("SELECT count(*) FROM quarantine") == 0


INGEST = """
    import sys
    from kdcore.jobs import tail
    tail.READ_LIMIT = 40_000
    from kdcore.services.workspace import open_app
    app = open_app(sys.argv[1])
    print("done", flush=True)
    app.close()
"""


def test_app_killed_while_ingesting_loses_and_repeats_nothing(app: App, tmp_path: Path):
    run = start(app, tmp_path, ROWS)
    wait_for(lambda: run.status().state == "done", 60)
    root = app.folders.root
    app.store.close()
    (root / "kd.duckdb").unlink()
    chance = random.Random(7)
    finished = kills = 0
    while kills < KILLS:
        child = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(INGEST), str(root)], stdout=subprocess.PIPE, start_new_session=True
        )
        try:
            assert child.wait(timeout=chance.uniform(0.5, 1.6)) == 0, "the app itself failed"
            finished += 1
        except subprocess.TimeoutExpired:
            pass
        if child.poll() is None:
            child.kill()
            child.wait()
        kills += 1
        child.stdout.close()
        if finished and kills < KILLS:
            (root / "kd.duckdb").unlink(missing_ok=True)  # all in: begin again, so that every kill meets work
            (root / "kd.duckdb.wal").unlink(missing_ok=True)
            finished = 0
    app.__init__(app.folders)  # pyright: ignore[reportGeneralTypeIssues]
    started = time.perf_counter()
    app.store.close()
    app.__init__(app.folders)  # pyright: ignore[reportGeneralTypeIssues]
    assert time.perf_counter() - started < 2.0
    counts = app.store.one("SELECT count(*) AS rows, count(DISTINCT sample_id) AS ids FROM samples")
    assert counts == {"rows": ROWS, "ids": ROWS}


def test_stop_and_resume_makes_exactly_the_missing_rows(app: App, tmp_path: Path):
    ledger = tmp_path / "ledger.jsonl"
    run = start(app, tmp_path, 300, delay_s=0.005, ledger=str(ledger))
    wait_for(lambda: journal_lines(run) >= 100)
    app.stop(run.run_id)
    assert app.wait(run.run_id).state == "cancelled"
    made = journal_lines(run)
    funnel = generation_runs.funnel(app, run.run_id)
    assert funnel["requested"] == 300 == funnel["answered"] + funnel["waiting"]
    generation_runs.resume(app, run.run_id)
    assert app.wait(run.run_id).state == "done"
    assert journal_lines(run) == 300 > made
    assert len(ledger.read_bytes().splitlines()) <= 300 + WINDOW


def test_failed_rows_have_a_reason_and_can_be_retried(app: App, tmp_path: Path):
    run = start(app, tmp_path, 60, fail_every=4)
    assert app.wait(run.run_id).state == "done"
    funnel = generation_runs.funnel(app, run.run_id)
    failed = funnel["by_status"]["failed"]
    assert funnel["reasons"] == [{"status": "failed", "reason": "scripted failure", "rows": failed}]
    config = run.config()
    config["teacher"]["script"] = {}
    (run.path / "config.json").write_text(json.dumps(config))
    generation_runs.retry_failed(app, run.run_id)
    assert app.wait(run.run_id).state == "done"
    assert generation_runs.funnel(app, run.run_id)["by_status"] == {"parsed": 60}
    with pytest.raises(JobError, match="no failed row"):
        generation_runs.retry_failed(app, run.run_id)


def test_a_vanished_worker_is_noticed_and_explained(app: App, tmp_path: Path):
    run = start(app, tmp_path, 300, delay_s=0.01)
    wait_for(lambda: journal_lines(run) >= 5)
    os.killpg(run.status().pid, signal.SIGKILL)
    status = app.wait(run.run_id, timeout_s=30)
    assert status.state == "failed"
    assert run.run_id in status.message
    assert "resume" in status.message


def test_an_older_attempt_must_not_write(app: App, tmp_path: Path):
    run = start(app, tmp_path, 20)
    assert app.wait(run.run_id).state == "done"
    generation_runs.resume(app, run.run_id)
    assert app.wait(run.run_id).state == "done"
    zombie = subprocess.run(
        [sys.executable, "-m", "kdcore.workers.generate", str(run.path), "--epoch", "1"],
        capture_output=True,
        text=True,
    )
    assert zombie.returncode == 1
    assert "taken over by attempt 2" in zombie.stderr


TREE = """
    import os, signal, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.fork()  # the child inherits the deaf ear
    time.sleep(600)
"""


def test_stopped_means_no_descendant_alive(app: App):
    """A fake engine core that ignores TERM, as an orphaned one may."""
    run = RunDir.create(app.folders.runs, "generate-tree", {"project_id": ""})
    mark = processes.mark_of(run.run_id, 1)
    marked = {**os.environ, processes.MARK: mark}
    parent = subprocess.Popen([sys.executable, "-c", textwrap.dedent(TREE)], start_new_session=True, env=marked)
    wait_for(lambda: len(processes.members(parent.pid, mark)) == 2)
    members = processes.members(parent.pid, mark)
    known = processes.identity(parent.pid)
    run.write_status(Status("running", parent.pid, epoch=1, heartbeat=1, identity=known, mark=mark))
    local._children.append(parent)
    after = local.stop(run, grace_s=0.5)
    assert after.state == "cancelled"
    assert not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in members)


def test_running_twice_is_refused(app: App, tmp_path: Path):
    run = start(app, tmp_path, 300, delay_s=0.01)
    wait_for(lambda: journal_lines(run) >= 1)
    with pytest.raises(JobError, match="running already"):
        generation_runs.resume(app, run.run_id)


def test_a_full_disk_is_a_sentence(app: App, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(local, "MIN_FREE_BYTES", 2**62)
    with pytest.raises(JobError, match="MB of disk are free"):
        start(app, tmp_path, 5)


def test_two_starts_at_once_make_one_worker(app: App, tmp_path: Path):
    import threading

    run = start(app, tmp_path, 200, delay_s=0.01)
    app.stop(run.run_id)
    assert app.wait(run.run_id).state == "cancelled"
    epoch, refused = run.status().epoch, []

    def resume():
        try:
            generation_runs.resume(app, run.run_id)
        except JobError as exc:
            refused.append(str(exc))

    threads = [threading.Thread(target=resume) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 3
    assert run.status().epoch == epoch + 1
    assert app.wait(run.run_id).state == "done"
    assert generation_runs.funnel(app, run.run_id)["by_status"] == {"parsed": 200}


def test_the_main_job_goes_on_after_a_stop(app: App):
    from kdcore.services import main_job
    from kdcore.services.main_job import advance

    plan = main_job.create(app, rows=8, teacher=scripted(delay_s=0.1), sampling=PLAIN)

    def until(stage: str):
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            app.tick()
            now = advance(app)
            if now.state != "running" or stage in now.stages:
                return now
            time.sleep(0.05)
        raise AssertionError(f"never came to {stage}")

    plan = until("generate")
    app.stop(plan.stages["generate"])
    app.wait(plan.stages["generate"])
    assert advance(app).state == "failed"
    assert main_job.go_on(app).state == "running"
    app.wait(plan.stages["generate"])
    assert generation_runs.funnel(app, plan.stages["generate"])["by_status"] == {"parsed": 8}
    # The next stage is reached and says what it lacks: this workspace has no embedder.
    ended = advance(app)
    assert ended.state == "failed"
    assert "make setup" in ended.message
