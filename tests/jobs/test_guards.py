"""Guards that only a fault shows: each of these tests fails without its guard (``tests/test_mutants.py``)."""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path

import pytest

from kdcore.errors import JobError
from kdcore.jobs import reporter, run_dir
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir, write_atomic
from kdcore.records.decisions import ProjectMade
from kdcore.records.journal import PaidRecord
from kdcore.records.status import Status
from kdcore.store.engine import sql_child
from kdcore.store.engine.decisions import DecisionLog
from kdcore.workers import confined


@pytest.fixture
def synced(monkeypatch) -> list[str]:
    """The files that were written through to the disk, by name."""
    found: list[str] = []
    real = os.fsync

    def fsync(number: int) -> None:
        found.append(Path(os.readlink(f"/proc/self/fd/{number}")).name)
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    return found


def test_a_decision_is_on_the_disk_before_anybody_is_told(tmp_path, synced):
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.open()
    log.append(ProjectMade(project_id="p", name="P", created=1.0))
    assert "decisions.jsonl" in synced and tmp_path.name in synced


def test_a_reply_is_on_the_disk_within_a_second(tmp_path, synced):
    run = RunDir.create(tmp_path, "generate-x", {})
    with Reporter(run, 1) as pen:
        synced.clear()
        pen.append(PaidRecord(paid=1, tokens_in=1, tokens_out=1))
        deadline = time.monotonic() + 1.0
        while "journal-00001.jsonl" not in synced and time.monotonic() < deadline:
            time.sleep(0.02)
        assert "journal-00001.jsonl" in synced


def test_a_file_is_replaced_as_a_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "config.json"
    path.write_text("old")
    monkeypatch.setattr(run_dir.os, "replace", lambda *_: (_ for _ in ()).throw(OSError(5, "power cut")))
    with pytest.raises(OSError, match="power cut"):
        write_atomic(path, b"new, and only half of it")
    assert path.read_text() == "old"


def test_an_attempt_that_was_overtaken_ends_itself(tmp_path):
    """Nothing that it writes counts any more, so it must not go on asking and paying."""
    run = RunDir.create(tmp_path, "generate-x", {})
    code = f"""
import time
from pathlib import Path
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
with Reporter(RunDir(Path({str(run.path)!r})), 1):
    print("begun", flush=True)
    time.sleep(30)
"""
    worker = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert worker.stdout is not None and worker.stdout.readline() == "begun\n"
    run.write_status(Status("running", epoch=2))
    assert worker.wait(10) == 75
    worker.stdout.close()
    assert run.status().epoch == 2


def test_a_full_disk_is_told_to_the_work_and_forgotten_when_there_is_space(tmp_path, monkeypatch):
    run = RunDir.create(tmp_path, "generate-x", {})
    monkeypatch.setattr(reporter, "HEARTBEAT_S", 0.05)
    with Reporter(run, 1) as pen:
        with monkeypatch.context() as full:
            full.setattr(RunDir, "write_status", lambda *_, **__: (_ for _ in ()).throw(OSError(28, "No space left")))
            with pytest.raises(JobError, match="No space left"):
                for _ in range(100):
                    time.sleep(0.02)
                    pen.check_stop()
        time.sleep(0.2)
        pen.check_stop()


def limits_of(code: str) -> dict[str, int]:
    """The limits that a process has after some code of ours."""
    code += """
import json, resource
names = ["RLIMIT_AS", "RLIMIT_CPU", "RLIMIT_FSIZE"]
print(json.dumps({name: resource.getrlimit(getattr(resource, name))[0] for name in names}))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_the_reader_of_files_bounds_itself():
    found = limits_of("from kdcore.workers.confined import limit; limit()")
    assert found["RLIMIT_AS"] == confined.MEMORY_BYTES and found["RLIMIT_CPU"] == confined.CPU_SECONDS
    assert found["RLIMIT_FSIZE"] == confined.FILE_BYTES != resource.RLIM_INFINITY


def test_a_query_of_a_researcher_bounds_itself():
    found = limits_of("from kdcore.store.engine.sql_child import limit_self; limit_self()")
    assert found == {
        "RLIMIT_AS": sql_child.ADDRESS_SPACE,
        "RLIMIT_CPU": 2 * sql_child.SECONDS,
        "RLIMIT_FSIZE": 0,
    }
