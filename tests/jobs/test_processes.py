"""Whose process is whose: by what the kernel tells, never by the clock or a number alone."""

import os
import subprocess
import sys
import time
from dataclasses import replace

import psutil
import pytest

from kdcore.jobs import processes
from kdcore.jobs.backends import local
from kdcore.jobs.observer import Observer
from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status

SLEEP = "import time; time.sleep(60)"


def started(mark: str, code: str = SLEEP, group: int | None = None) -> subprocess.Popen:
    """A process, in a group of its own unless one is given."""
    env = {**os.environ, processes.MARK: mark}
    return subprocess.Popen([sys.executable, "-c", code], env=env, process_group=group or 0)


@pytest.fixture
def ended():
    """Processes to end whatever happens."""
    found: list[subprocess.Popen] = []
    yield found
    for process in found:
        process.kill()
        process.wait()


def status_of(process: subprocess.Popen, mark: str = "r#1") -> Status:
    return Status("running", process.pid, epoch=1, identity=processes.identity(process.pid), mark=mark)


def test_a_clock_that_jumps_changes_nothing(ended, monkeypatch):
    ended.append(started("r#1"))
    status = status_of(ended[0])
    real = psutil.Process.create_time
    monkeypatch.setattr(psutil.Process, "create_time", lambda self: real(self) + 3600)
    assert local.is_alive(status)


def test_another_process_of_the_same_number_is_not_the_worker(ended):
    ended.append(started("other#1"))
    boot, _, ticks = processes.identity(ended[0].pid).partition(":")
    for identity in (f"another-boot:{ticks}", f"{boot}:{int(ticks) - 1}", ""):
        status = replace(status_of(ended[0]), identity=identity)
        assert not local.is_alive(status)
        local.kill_leftovers(status)
    time.sleep(0.2)
    assert ended[0].poll() is None


def test_a_strangers_process_in_the_group_is_left_alone(ended):
    """The number of our group may have been given out again; only what carries the mark is ours."""
    leader = started("r#1")
    ended += [
        leader,
        started("r#1", group=leader.pid),
        started("", group=leader.pid),
        started("r#2", group=leader.pid),
    ]
    status = status_of(leader)
    leader.kill()
    leader.wait()
    local.kill_leftovers(status)
    assert ended[1].wait(5) == -9
    time.sleep(0.2)
    assert ended[2].poll() is None and ended[3].poll() is None


def test_a_worker_started_by_hand_is_ended_by_its_identity(ended):
    ended.append(started("no mark"))
    local.kill_leftovers(status_of(ended[0], "r#1"))
    assert ended[0].wait(5) == -9


@pytest.mark.parametrize(
    "written",
    [
        b"",
        b"\0" * 200,
        b"{",
        b"[]",
        b"null",
        b'{"state": 5}',
        b'{"state": "lost"}',
        b'{"pid": "x"}',
        b'{"progress": []}',
        b"[" * 100_000,
    ],
)
def test_a_damaged_status_is_that_of_a_failed_run_and_heals(tmp_path, written):
    run = RunDir.create(tmp_path, "generate-x", {})
    (run.path / "journal-00003.jsonl").touch()
    (run.path / "status.json").write_bytes(written)
    status = Observer(local.LocalBackend()).look(run)
    assert (status.state, status.epoch) == ("failed", 3)
    assert "can't be read" in status.message and "resume" in status.message
    run.write_status(Status("running", epoch=4))
    assert run.status().epoch == 4


def test_fields_of_a_later_version_are_left_out(tmp_path):
    run = RunDir.create(tmp_path, "generate-x", {})
    (run.path / "status.json").write_text('{"state": "done", "epoch": 2, "updated": 5, "of_tomorrow": {"a": 1}}')
    assert run.status() == Status("done", epoch=2, updated=5)
