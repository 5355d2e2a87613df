"""The database is an index: run folders and the decision log are enough to make it anew."""

from pathlib import Path

from kdcore.elicitation import METHODS
from kdcore.services import datasets, generation, projects, review
from kdcore.services.app import App, open_app, rebuild
from kdcore.store import samples
from kdcore.store.decisions import append, read
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
    run = generation.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    first, second, *_ = samples.keys(app.store, project, review.REVIEWABLE)
    review.decide(app, first, "accept", "me")
    review.decide(app, second, "edit", "me", question="q", answer="better words here")
    review.undo(app, project, "me")
    datasets.freeze(app, project, "D", heldout_share=0.2)
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
    assert [record["a"] for record in read(path)] == [1, 2]
