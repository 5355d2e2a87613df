"""What was changed, cut or lost is said, at every start until it is mended or somebody answers for it."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kdcore.errors import ConfigError, StoreError
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import decode_record, encode_record
from kdcore.services import projects, verify
from kdcore.services.workspace import open_app, rebuild
from kdcore.settings import workspace
from kdcore.store.engine import decisions as log_of_decisions

pytestmark = pytest.mark.whole

TABLES = ("projects", "samples", "reviews", "tags", "datasets")


def contents(root: Path) -> dict[str, list[str]]:
    app = open_app(root)
    found = {table: sorted(map(str, app.store.rows(f"SELECT * FROM {table}"))) for table in TABLES}
    app.close()
    return found


def problems(root: Path) -> list[str]:
    app = open_app(root)
    found = app.problems
    app.close()
    return found


def run_in(root: Path) -> Path:
    return next((root / "runs").glob("generate-*"))


def lines_of(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def cut_without_status(root: Path) -> None:
    (run_in(root) / "status.json").unlink()
    journal = run_in(root) / "journal-00001.jsonl"
    journal.write_bytes(b"".join(lines_of(journal)[:5]))


def forge_a_row(root: Path) -> None:
    journal = run_in(root) / "journal-00001.jsonl"
    last = decode_record(lines_of(journal)[-1])
    forged = encode_record(last.seq + 1, last.epoch, last.body | {"sample_id": "forged"})
    journal.write_bytes(journal.read_bytes() + forged)


def say_a_row_twice(root: Path) -> None:
    journal = run_in(root) / "journal-00001.jsonl"
    lines = lines_of(journal)
    journal.write_bytes(b"".join([*lines[:5], lines[4], *lines[5:]]))


def change_config(root: Path, **fields: str) -> None:
    path = run_in(root) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | fields))


def a_folder_in_place_of_the_version(root: Path) -> None:
    path = next((root / "datasets").glob("*.parquet"))
    path.unlink()
    path.mkdir()


def turn_the_status(root: Path) -> None:
    path = run_in(root) / "status.json"
    path.write_text(path.read_text().replace('"journal_bytes": ', '"journal_bytes": 1'))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "run gone": (lambda root: shutil.rmtree(run_in(root)), "folder of run .* is gone"),
    "status gone": (lambda root: (run_in(root) / "status.json").unlink(), "status is gone|1 damaged place"),
    "status gone, journal cut": (cut_without_status, "status is gone|damaged place"),
    "status turned": (turn_the_status, "status can't be read|1 damaged place"),
    "a row forged": (forge_a_row, "only .* were written|damaged place"),
    "a row twice": (say_a_row_twice, "a second time|damaged place"),
    "config of nobody": (lambda root: change_config(root, project_id="pj_other"), "project"),
    "version unreadable": (a_folder_in_place_of_the_version, "directory"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_damage_is_said_by_verify_and_at_every_start(made: Path, tmp_path: Path, name: str):
    root = tmp_path / "ws"
    shutil.copytree(made, root)
    damage, word = DAMAGES[name]
    assert problems(root) == []
    damage(root)
    said = [verify.verify(workspace(root)).findings, problems(root), problems(root)]
    said += [rebuild(root)["problems"], problems(root), verify.verify(workspace(root)).findings]
    for each in said:
        assert len([sentence for sentence in each if re.search(word, sentence)]) >= 1, each


def test_a_row_behind_the_end_of_its_run_is_not_taken(made: Path, tmp_path: Path):
    shutil.copytree(made, tmp_path / "ws")
    before = contents(tmp_path / "ws")
    forge_a_row(tmp_path / "ws")
    rebuild(tmp_path / "ws")
    assert contents(tmp_path / "ws") == before


@pytest.fixture
def resumed(made: Path, tmp_path: Path) -> Path:
    """A run of two attempts, so that the first is sealed."""
    shutil.copytree(made, tmp_path / "ws")
    app = open_app(tmp_path / "ws")
    run = run_in(tmp_path / "ws")
    (run / "requests.jsonl").write_bytes(b"".join(lines_of(run / "requests.jsonl")))
    app.launch(app.run_dir(run.name))
    assert app.wait(run.name).state == "done"
    app.close()
    assert RunDir(run).seals() and len(RunDir(run).journals()) == 2
    return tmp_path / "ws"


@pytest.mark.parametrize("how", ["turned", "gone"])
def test_lengths_that_were_changed_or_lost_are_said(resumed: Path, how: str):
    seals = run_in(resumed) / "seals.json"
    if how == "gone":
        seals.unlink()
    else:
        size = json.loads(seals.read_bytes())["journal-00001.jsonl"]
        seals.write_text(seals.read_text().replace(str(size), str(size - 8000)))
    assert [finding for finding in verify.verify(workspace(resumed)).findings if "seals.json" in finding]
    assert [problem for problem in rebuild(resumed)["problems"] if "damaged place" in problem]
    assert problems(resumed)


def test_a_decision_that_was_damaged_and_is_mended_counts_again(made: Path, tmp_path: Path):
    root = tmp_path / "ws"
    shutil.copytree(made, root)
    good, log = contents(root), root / "decisions.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole.replace(b"Mended", b"Mendee"))
    assert [problem for problem in rebuild(root)["problems"] if "damaged" in problem]
    assert contents(root) != good
    log.write_bytes(whole)
    assert contents(root) == good, "what the damaged line said is taken in"
    assert problems(root) == [] and verify.verify(workspace(root)).ok


def test_a_last_line_that_lost_its_end_counts_once_it_has_one(made: Path, tmp_path: Path):
    root = tmp_path / "ws"
    shutil.copytree(made, root)
    good = contents(root)
    (root / "kd.duckdb").unlink()
    log = root / "decisions.jsonl"
    log.write_bytes(log.read_bytes()[:-1])
    assert problems(root) == [], "its own hash says that it is whole"
    app = open_app(root)
    projects.create_project(app, "Q")
    app.close()
    live = contents(root)
    rebuild(root)
    assert contents(root) == live
    assert set(good["reviews"]) == set(live["reviews"]) and len(live["projects"]) == 2


@pytest.fixture
def forked(made: Path, tmp_path: Path) -> Path:
    """The log is that of a copy that went on by itself on another machine."""
    root, other = tmp_path / "ws", tmp_path / "other"
    shutil.copytree(made, root)
    shutil.copytree(made, other)
    for where, name in ((root, "Here"), (other, "There"), (other, "Later")):
        app = open_app(where)
        projects.create_project(app, name)
        app.close()
    shutil.copy(other / "decisions.jsonl", root / "decisions.jsonl")
    return root


def names(root: Path) -> list[str]:
    app = open_app(root)
    found = sorted(project["name"] for project in projects.list_projects(app))
    app.close()
    return found


def test_another_log_is_said_at_every_start_and_nothing_of_it_is_mixed_in(forked: Path):
    for _ in range(2):
        assert [said for said in problems(forked) if "is another than" in said]
    assert names(forked) == ["Here", "P"]
    app = open_app(forked)
    with pytest.raises(StoreError, match=r"is not the log that this database was made from .*kd rebuild"):
        projects.create_project(app, "New")
    app.close()
    assert names(forked) == ["Here", "P"]


def test_who_goes_by_another_log_may_decide_and_is_told_until_somebody_answers(forked: Path):
    assert [said for said in rebuild(forked)["problems"] if "is another than" in said]
    assert names(forked) == ["Later", "P", "There"]
    app = open_app(forked)
    projects.create_project(app, "New")
    assert [said for said in app.problems if "is another than" in said]
    with pytest.raises(ConfigError, match="needs a name"):
        verify.settle(app, "", "The other machine's log is the right one.")
    assert verify.settle(app, "R. Counsel", "The other machine's log is the right one.")
    app.close()
    assert problems(forked) == [] and verify.verify(workspace(forked)).ok
    assert rebuild(forked)["problems"] == [], "that somebody answered stands in the log"


def test_a_log_without_head_and_database_stays_in_doubt(made: Path, tmp_path: Path):
    root = tmp_path / "ws"
    shutil.copytree(made, root)
    for name in ("decisions.head.json", "kd.duckdb"):
        (root / name).unlink()
    log = root / "decisions.jsonl"
    log.write_bytes(b"".join(lines_of(log)[:-1]))
    for _ in range(2):
        assert [said for said in problems(root) if "head.json is missing" in said]
    assert not verify.verify(workspace(root)).ok


def test_half_a_line_that_could_not_be_taken_back_eats_no_decision(made: Path, tmp_path: Path, monkeypatch):
    root = tmp_path / "ws"
    shutil.copytree(made, root)
    app = open_app(root)
    log = root / "decisions.jsonl"
    with monkeypatch.context() as failing:

        def full(*_):
            with log.open("ab") as file:
                file.write(b'{"n":')
            raise OSError(5, "Input/output error")

        failing.setattr(log_of_decisions.os, "fsync", full)
        failing.setattr(log_of_decisions.os, "truncate", full)
        with pytest.raises(StoreError, match="could not be written"):
            projects.create_project(app, "Lost")
    projects.create_project(app, "Kept")
    app.close()
    live = names(root)
    rebuild(root)
    assert names(root) == live == ["Kept", "P"]
    assert problems(root) == [] and list(root.glob("decisions.jsonl.torn-*"))


def test_a_full_disk_does_not_hide_what_is_there(made: Path, tmp_path: Path, monkeypatch):
    root = tmp_path / "ws"
    shutil.copytree(made, root)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(log_of_decisions, "write_json", full)
    assert contents(root)["reviews"]


def test_what_was_set_aside_is_never_overwritten(made: Path, tmp_path: Path, monkeypatch):
    shutil.copytree(made, tmp_path / "ws")
    monkeypatch.setattr(time, "strftime", lambda _: "20261025-023000")  # the hour that comes twice
    kept = [rebuild(tmp_path / "ws")["kept"] for _ in range(3)]
    assert len(set(kept)) == 3 and all(Path(each).exists() for each in kept)


def test_a_mistyped_workspace_is_not_well(tmp_path: Path):
    with pytest.raises(ConfigError, match="no workspace"):
        verify.verify(workspace(tmp_path / "nowhere"))
    assert not (tmp_path / "nowhere").exists()


def test_who_looks_keeps_nobody_out(made: Path, tmp_path: Path):
    """While ``kd verify`` has the database open for a moment, the app waits for it."""
    root = tmp_path / "ws"
    shutil.copytree(made, root)
    code = f"""
import duckdb, time
held = duckdb.connect({str(root / "kd.duckdb")!r}, read_only=True)
print(flush=True)
time.sleep(0.4)
"""
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as one:
        assert one.stdout is not None and one.stdout.readline()
        assert problems(root) == []
    before = (root / "kd.duckdb").stat().st_mtime_ns
    assert verify.verify(workspace(root)).checked["databases"] == 1
    assert (root / "kd.duckdb").stat().st_mtime_ns == before, "it is looked at, not written to"
