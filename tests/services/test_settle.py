"""What is lost is answered for once, and what is lost later is said again."""

import json
import shutil
from pathlib import Path

import pytest

from kdcore.errors import StoreError
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.services import projects, verify
from kdcore.services.backup import backup
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import open_app, rebuild
from kdcore.settings import workspace
from kdcore.store.engine import decided as engine
from kdcore.store.engine.decisions import DecisionLog
from tests.services.test_verify import contents, forge_a_row, lines_of, names, problems, run_in

pytestmark = pytest.mark.whole

WHY = "It is lost for good, we looked in every backup."


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "ws")
    return tmp_path / "ws"


def settle(root: Path) -> list[str]:
    app = open_app(root)
    found = verify.settle(app, "Dr A", WHY)
    app.close()
    return found


def found_by_verify(root: Path) -> list[str]:
    return verify.verify(workspace(root)).findings


def cut_log(root: Path, lines: int = 2) -> None:
    log = root / "decisions.jsonl"
    log.write_bytes(b"".join(lines_of(log)[:-lines]))


def test_a_cut_is_settled_by_one_word(root: Path):
    cut_log(root)
    assert problems(root)
    assert len(settle(root)) == 1
    assert problems(root) == [] and found_by_verify(root) == [] and rebuild(root)["problems"] == []
    assert problems(root) == []


def test_a_damaged_place_of_a_run_is_settled_too(root: Path):
    forge_a_row(root)
    assert problems(root) and found_by_verify(root)
    assert settle(root)
    assert problems(root) == [] and found_by_verify(root) == []


def test_what_is_settled_and_mended_and_lost_again_is_said_again(root: Path, tmp_path: Path):
    run = run_in(root)
    shutil.move(run, tmp_path / "kept")
    assert settle(root) and problems(root) == []
    shutil.copytree(tmp_path / "kept", run)
    assert problems(root) == []
    shutil.rmtree(run)
    for said in (problems(root), found_by_verify(root), rebuild(root)["problems"], problems(root)):
        assert [sentence for sentence in said if "is gone" in sentence]


def test_a_log_that_is_cut_again_is_said_again(root: Path):
    (root / "decisions.head.json").unlink()
    assert settle(root)
    app = open_app(root)
    for name in ("One", "Two"):
        projects.create_project(app, name)
    app.close()
    cut_log(root)
    for name in ("decisions.head.json", "kd.duckdb"):
        (root / name).unlink()
    assert problems(root) and found_by_verify(root)


def test_verify_knows_what_is_settled_while_the_app_is_open(root: Path, tmp_path: Path):
    shutil.rmtree(run_in(root))
    log = root / "decisions.jsonl"
    lines = lines_of(log)
    log.write_bytes(b"".join([*lines[:3], *lines[4:]]))
    settle(root)
    app = open_app(root)
    assert app.problems == [] and found_by_verify(root) == []
    assert backup(app.folders, tmp_path / "b.tar.gz")["problems"] == []
    app.close()


def test_what_was_mended_as_the_sentence_asks_is_not_said_any_more(root: Path, tmp_path: Path):
    run = run_in(root)
    shutil.move(run, tmp_path / "kept")
    assert rebuild(root)["problems"]
    shutil.copytree(tmp_path / "kept", run)
    assert problems(root) == [] and found_by_verify(root) == []


def test_the_right_log_put_back_after_a_wrong_one_is_well(root: Path, tmp_path: Path):
    right = tmp_path / "right"
    shutil.copytree(root, right)
    for where, name in ((root, "Here"), (right, "There")):
        app = open_app(where)
        projects.create_project(app, name)
        app.close()
    mine = {name: (root / name).read_bytes() for name in ("decisions.jsonl", "decisions.head.json")}
    shutil.copy(right / "decisions.jsonl", root)
    assert [said for said in rebuild(root)["problems"] if "is another than" in said]
    for name, data in mine.items():
        (root / name).write_bytes(data)
    assert [said for said in problems(root) if "is another than" in said], "the database goes by the other one still"
    assert rebuild(root)["problems"] == []
    assert names(root) == ["Here", "P"] and problems(root) == [] and found_by_verify(root) == []


def test_a_rebuild_that_fails_forgets_nothing(root: Path, monkeypatch):
    """What the database that was set aside knew comes into the new one with its first transaction."""
    with monkeypatch.context() as failing:

        def broken(_):
            raise OSError(5, "Input/output error")

        failing.setattr(DecisionLog, "open", broken)
        with pytest.raises(StoreError, match="can't be read"):
            rebuild(root)
    cut_log(root)
    head = json.loads((root / "decisions.head.json").read_bytes())
    (root / "decisions.head.json").unlink()
    for said in (problems(root), problems(root), rebuild(root)["problems"], found_by_verify(root)):
        assert [each for each in said if "was cut: decisions 5 to 6 are missing" in each], (head, said)


def test_a_rebuild_that_is_killed_forgets_nothing(root: Path, monkeypatch):
    cut_log(root)
    (root / "decisions.head.json").unlink()

    class Killed(BaseException):
        pass

    def die(*_):
        raise Killed

    with monkeypatch.context() as dying:
        dying.setattr(engine.Decided, "_read", die)
        with pytest.raises(Killed):
            rebuild(root)
    assert [each for each in rebuild(root)["problems"] if "5 to 6 are missing" in each]


def test_a_run_without_a_state_goes_on_in_a_new_attempt(root: Path):
    """In the journal of an attempt that is over nothing would be read: its length is sealed."""
    good = contents(root)["samples"]
    run = run_in(root)
    (run / "status.json").unlink()
    journal = run / "journal-00001.jsonl"
    journal.write_bytes(b"".join(lines_of(journal)[:5]))
    (root / "kd.duckdb").unlink()
    app = open_app(root)
    assert app.status(run.name).state == "failed" and "is gone" in app.status(run.name).message
    generation_runs.resume(app, run.name)
    assert app.wait(run.name).state == "done"
    app.close()
    assert len(contents(root)["samples"]) == len(good) == 12
    assert rebuild(root)["samples"] == 12


def test_nothing_is_written_behind_a_seal(root: Path):
    run = RunDir(run_in(root))
    run.seal_journals()
    before = (run.path / "journal-00001.jsonl").read_bytes()
    with pytest.raises(Exception, match="sealed"), Reporter(run, 1):
        pass
    assert (run.path / "journal-00001.jsonl").read_bytes() == before


def test_a_late_worker_leaves_no_trace(root: Path):
    run = RunDir(run_in(root))
    run.seal_journals()
    run.write_status(run.status().__class__("done", epoch=3))
    with pytest.raises(Exception, match="taken over"), Reporter(run, 2):
        pass
    assert not (run.path / "journal-00002.jsonl").exists()
    assert [each for each in found_by_verify(root) if "seals" in each] == []


def test_a_line_that_is_being_written_is_no_damage(root: Path, monkeypatch):
    log = root / "decisions.jsonl"
    whole = log.read_bytes()
    log.write_bytes(whole + b'{"n":7,"pre')

    def later(_):
        log.write_bytes(whole)

    monkeypatch.setattr(verify.time, "sleep", later)
    assert found_by_verify(root) == []


def test_the_database_is_read_before_the_log(root: Path, monkeypatch):
    """A decision that is made between the two is in the log, not missing from it."""
    known = verify.known_of_closed

    def decide_first(path: Path):
        app = open_app(root)
        projects.create_project(app, "Between")
        app.close()
        return known(path)

    monkeypatch.setattr(verify, "known_of_closed", decide_first)
    assert found_by_verify(root) == []


@pytest.mark.parametrize("project_id", [[], {}, 5])
def test_a_project_that_is_no_text_is_a_finding(root: Path, project_id):
    path = run_in(root) / "config.json"
    path.write_text(json.dumps(json.loads(path.read_bytes()) | {"project_id": project_id}))
    assert [each for each in found_by_verify(root) if "names no project" in each]


@pytest.mark.parametrize("files", [[], "ab", None, 5])
def test_a_list_of_files_that_is_none_is_a_finding(root: Path, files):
    folder = run_in(root) / "checkpoints" / "step-1"
    folder.mkdir(parents=True)
    (folder / "COMPLETE.json").write_text(json.dumps({"files": files}))
    assert [each for each in found_by_verify(root) if "checkpoint" in each]
