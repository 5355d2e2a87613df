"""The database is an index: run folders and the decision log are enough to make it anew."""

import json
import os
import random
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest

from kdcore.configs.selection import EVERYTHING
from kdcore.elicitation import METHODS
from kdcore.jobs import observer
from kdcore.jobs.backends import local
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import encode_record
from kdcore.services import projects
from kdcore.services import workspace as workspace_service
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App, open_app, rebuild
from kdcore.store import samples
from kdcore.store.engine import decided, ingest
from kdcore.types import TERMINAL_STATES
from tests.conftest import PLAIN, SCRIPTED, import_questions

pytestmark = pytest.mark.whole

SEEDS = int(os.environ.get("KD_SEEDS", "40"))  # make test-long: 100
TABLES = ("projects", "prompt_versions", "seeds", "samples", "reviews", "datasets", "dataset_rows")


def contents(app: App) -> dict[str, list]:
    def rows(table: str) -> list:
        skip = " EXCLUDE (created)" if table == "seeds" else ""
        found = app.store.rows(f"SELECT *{skip} FROM {table}")
        return sorted(found, key=str)

    return {table: rows(table) for table in TABLES}


def test_rebuild_gives_back_everything(tmp_path: Path):
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 20)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    first, second, *_ = samples.keys(app.store, project, review_decisions.REVIEWABLE)
    review_decisions.decide(app, first, "accept", "me")
    review_decisions.decide(app, second, "edit", "me", question="q", answer="better words here")
    review_decisions.undo(app, project, "me")
    assert review_decisions.decide_all(app, project, EVERYTHING, "accept", "me") == 19
    assert review_decisions.undo(app, project, "me")
    assert review_decisions.decide_all(app, project, EVERYTHING, "reject", "other") == 19
    assert review_decisions.undo(app, project, "me") == first, "another's decision is not mine to take back"
    review_decisions.decide(app, first, "accept", "me")
    review_decisions.undo(app, project, "other")
    dataset_versions.freeze(app, project, "D", heldout_share=0.2)
    before = contents(app)
    app.close()
    result = rebuild(tmp_path / "ws")
    assert Path(result["kept"]).exists()
    again = open_app(tmp_path / "ws")
    after = contents(again)
    again.close()
    assert after == before


def test_one_damaged_folder_or_decision_never_closes_the_workspace(tmp_path: Path):
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 6)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    frozen = dataset_versions.freeze(app, project, "D")
    app.close()
    (tmp_path / "ws" / "datasets" / f"{frozen['dataset_id']}.parquet").write_bytes(b"bad")
    broken = tmp_path / "ws" / "runs" / "generate-00000000-broken"
    broken.mkdir()
    (broken / "config.json").write_text("{no json")
    told = rebuild(tmp_path / "ws")["problems"]
    again = open_app(tmp_path / "ws")
    assert samples.count(again.store, project, review_decisions.REVIEWABLE) == 6
    for problems in (told, again.problems):
        assert any("generate-00000000-broken" in problem for problem in problems)
        assert any(frozen["dataset_id"] in problem for problem in problems)
    again.close()


def test_a_start_replays_only_what_is_new(tmp_path: Path, monkeypatch):
    app = open_app(tmp_path / "ws")
    for number in range(5):
        projects.create_project(app, f"P{number}")
    app.close()
    applied = []
    monkeypatch.setitem(decided.APPLY, "project", lambda tx, record, number: applied.append(number))
    open_app(tmp_path / "ws").close()
    assert applied == []
    rebuild(tmp_path / "ws")
    assert applied == [1, 2, 3, 4, 5]


def test_an_ended_run_is_told_as_ended_once_its_rows_are_in(tmp_path: Path):
    """A page stops polling at the end; had it looked between the worker's end and the next tick, it stayed empty."""
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 20)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    while run.status().state not in TERMINAL_STATES:
        time.sleep(0.01)  # nobody ticks here: this app has no background thread
    assert app.store.scalar("SELECT count(*) FROM samples") == 0
    assert app.status(run.run_id).state == "done"
    assert app.store.scalar("SELECT count(*) FROM samples") == 20
    assert app.tick() == 0
    app.close()


def asked(tmp_path: Path, rows: int = 20) -> tuple[App, RunDir]:
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, rows)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    return app, run


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.replace(b'"seq":7', b'"seq":"a"'),
        lambda line: line.replace(b'"seq":7', b'"seq":1e999'),
        lambda line: line.replace(b'"seq":7', b'"seq":null'),
        lambda line: encode_record(7, 1, [1, 2]),
        lambda line: encode_record(7, 1, {"kind": "sample"}),
        lambda line: encode_record(7, 1, json.loads(line)["body"] | {"completion_tokens": 2**40}),
        lambda line: encode_record(7, 1, json.loads(line)["body"] | {"answer": None}),
        lambda line: encode_record(7, 1, {"kind": "verdict", "sample_id": 5}),
        lambda line: b"\x00" * len(line),
        lambda line: b"",
    ],
)
def test_one_bad_record_is_set_aside_alone(tmp_path: Path, change):
    app, run = asked(tmp_path)
    app.close()
    [journal] = run.journals()
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[6] = change(lines[6].rstrip(b"\n") if b"seq" in change(lines[6]) else lines[6])
    if lines[6] and not lines[6].endswith(b"\n"):
        lines[6] += b"\n"
    journal.write_bytes(b"".join(lines))
    rebuild(tmp_path / "ws")
    again = open_app(tmp_path / "ws")
    assert again.store.scalar("SELECT count(*) FROM samples") == 19
    assert again.quarantined(run.run_id)
    assert any(run.run_id in problem for problem in again.problems)
    again.close()


@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_flipped_bit_or_cut_of_a_journal_is_silent(tmp_path: Path, seed: int, made: Path):
    root = tmp_path / "ws"
    shutil.copytree(made, root, symlinks=True)
    journal = next((root / "runs").glob("generate-*/journal-*.jsonl"))
    data, chance = bytearray(journal.read_bytes()), random.Random(seed)
    if seed % 2:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    else:
        del data[chance.randrange(len(data)) :]
    journal.write_bytes(bytes(data))
    assert rebuild(root)["problems"]


@pytest.mark.parametrize("gone", ["journal-00001.jsonl", "config.json"])
def test_a_file_of_a_run_that_is_gone_is_said(tmp_path: Path, made: Path, gone: str):
    root = tmp_path / "ws"
    shutil.copytree(made, root, symlinks=True)
    next((root / "runs").glob(f"generate-*/{gone}")).unlink()
    told = rebuild(root)["problems"]
    assert any("generate-" in problem for problem in told), told


def test_the_journal_of_a_killed_run_that_is_cut_at_a_record_is_said(tmp_path: Path, made: Path, monkeypatch):
    """Nobody wrote down how long it was but the one who saw the worker gone."""
    monkeypatch.setattr(observer, "LOST_AFTER_S", 0.3)
    root = tmp_path / "ws"
    shutil.copytree(made, root, symlinks=True)
    journal = next((root / "runs").glob("generate-*/journal-*.jsonl"))
    run = RunDir(journal.parent)
    run.write_status(replace(run.status(), state="running", pid=2**22 - 1, start_time=1.0, journal_bytes=-1))
    app = open_app(root)
    deadline = time.monotonic() + 10
    while app.status(run.run_id).state != "failed" and time.monotonic() < deadline:
        time.sleep(0.1)
    app.close()
    assert run.status().journal_bytes == -1
    assert not [problem for problem in rebuild(root)["problems"] if "damaged" in problem]
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-2]))
    assert any("damaged" in problem for problem in rebuild(root)["problems"])


def test_a_log_that_lost_its_end_and_its_head_is_seen_by_the_database_that_is_set_aside(tmp_path: Path, made: Path):
    root = tmp_path / "ws"
    shutil.copytree(made, root, symlinks=True)
    log = root / "decisions.jsonl"
    log.write_bytes(b"".join(log.read_bytes().splitlines(keepends=True)[:-1]))
    (root / "decisions.head.json").unlink()
    told = rebuild(root)
    assert any("was cut" in problem for problem in told["problems"]), told
    again = open_app(root)
    assert any("was cut" in problem for problem in again.problems), "also at later starts"
    again.close()


def test_a_wrong_line_among_the_curves_hides_no_run(tmp_path: Path, made: Path):
    root = tmp_path / "ws"
    shutil.copytree(made, root, symlinks=True)
    run = next((root / "runs").glob("generate-*"))
    wrong = [{"step": "x"}, {"split": 1}, {"value": "z"}, {"time": None}, {"step": 10**12}, {"attempt": True}]
    good = {"attempt": 1, "step": 1, "split": "train", "name": "loss", "value": 1.5, "time": 1.0}
    (run / "metrics.jsonl").write_text("".join(json.dumps(good | each) + "\n" for each in [*wrong, {}]))
    assert rebuild(root)["problems"] == []
    again = open_app(root)
    assert again.store.scalar("SELECT count(*) FROM metrics") == 1
    again.close()


@pytest.mark.parametrize("seed", range(SEEDS // 2))
def test_no_change_of_a_frozen_file_is_silent(tmp_path: Path, seed: int, made: Path):
    root = tmp_path / "ws"
    shutil.copytree(made, root, symlinks=True)
    frozen = next((root / "datasets").glob("*.parquet"))
    data, chance = bytearray(frozen.read_bytes()), random.Random(seed)
    if seed % 4:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    else:
        del data[chance.randrange(len(data)) :]
    frozen.write_bytes(bytes(data))
    app = open_app(root)
    assert any("is not as it was frozen" in problem for problem in app.problems)
    app.close()


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """A workspace with one run and one version, to be damaged in copies."""
    folder = tmp_path_factory.mktemp("made")
    app, run = asked(folder)
    dataset_versions.freeze(app, run.config()["project_id"], "D", heldout_share=0.2)
    app.close()
    return folder / "ws"


def test_an_error_that_passes_hides_a_run_only_until_it_has_passed(tmp_path: Path, monkeypatch):
    app, _ = asked(tmp_path)
    app.close()
    monkeypatch.setattr(workspace_service, "RETRY_S", (0.2, 0.2))
    with monkeypatch.context() as patch:
        patch.setattr(ingest, "read_journal", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        rebuild(tmp_path / "ws")
        again = open_app(tmp_path / "ws")
        assert any("can't be read now (OSError)" in problem for problem in again.problems)
    time.sleep(0.25)
    again.tick()
    assert again.problems == []
    assert again.store.scalar("SELECT count(*) FROM samples") == 20
    again.close()


def test_the_journal_of_a_run_that_was_stopped_by_force_is_said_when_it_is_cut(tmp_path: Path, made: Path):
    root = tmp_path / "ws"
    shutil.copytree(made, root, symlinks=True)
    journal = next((root / "runs").glob("generate-*/journal-*.jsonl"))
    run = RunDir(journal.parent)
    run.write_status(replace(run.status(), state="running", pid=2**22 - 1, identity="gone", journal_bytes=-1))
    assert local.see_to_stop(run, run.status(), grace_s=0).state == "cancelled"
    journal.write_bytes(b"".join(journal.read_bytes().splitlines(keepends=True)[:-2]))
    assert any("damaged" in problem for problem in rebuild(root)["problems"])
