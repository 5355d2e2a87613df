"""The database is an index: run folders and the decision log are enough to make it anew."""

import time
from pathlib import Path

from kdcore.configs.selection import EVERYTHING
from kdcore.elicitation import METHODS
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App, open_app, rebuild
from kdcore.store import samples
from kdcore.store.engine.decisions import append, read
from kdcore.types import TERMINAL_STATES
from tests.conftest import PLAIN, SCRIPTED, import_questions

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


def test_a_torn_decision_line_is_passed_over(tmp_path: Path):
    path = tmp_path / "decisions.jsonl"
    append(path, "project", {"a": 1})
    with path.open("ab") as file:
        file.write(b'{"kind": "proj')
    append(path, "project", {"a": 2})
    assert [record["a"] for record, _ in read(path)] == [1, 2]


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
    rebuild(tmp_path / "ws")
    again = open_app(tmp_path / "ws")
    assert samples.count(again.store, project, review_decisions.REVIEWABLE) == 6
    assert any("generate-00000000-broken" in problem for problem in again.problems)
    again.close()


def test_a_start_replays_only_what_is_new(tmp_path: Path, monkeypatch):
    from kdcore.services import workspace as app_module

    app = open_app(tmp_path / "ws")
    for number in range(5):
        projects.create_project(app, f"P{number}")
    app.close()
    open_app(tmp_path / "ws").close()
    applied = []
    monkeypatch.setitem(app_module.APPLY, "project", lambda _app, record: applied.append(record))
    open_app(tmp_path / "ws").close()
    assert applied == []


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
