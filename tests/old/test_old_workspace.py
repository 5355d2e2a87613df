"""A workspace of 0.1.0 opens, says what it said then, and is rebuilt to the same."""

import json
import tarfile
from pathlib import Path

import pytest

from kdcore.configs.selection import HasScore, HasVerdict, ReviewIs, from_json
from kdcore.records.rows import VerdictKey
from kdcore.services import governance, names
from kdcore.services.distill import runs as training_runs
from kdcore.services.evaluate import comparison
from kdcore.services.explore import saved_views
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App, open_app, rebuild
from kdcore.store import datasets, samples, verdicts

ARCHIVE = Path(__file__).parent / "workspace-0.1.0.tar.gz"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(tmp_path, filter="data")
    return tmp_path


def state(app: App, project: str) -> dict[str, list | dict]:
    """What 0.1.0 could say, in its words."""
    tables = (
        *("projects", "prompt_versions", "seeds", "runs", "samples", "current_reviews", "current_tags", "datasets"),
        *("dataset_rows", "metrics", "eval_items", "train_rows", "train_answers", "current_verdicts", "placements"),
        "titled_clusters",
    )
    found: dict[str, list | dict] = {name: app.store.rows(f"SELECT * FROM {name}") for name in tables}
    for row in found["datasets"]:
        del row["file_sha256"]
    for row in found["current_verdicts"]:
        row["filter"] = VerdictKey(row.pop("kind"), row["filter"]).text
    for row in found["eval_items"]:
        row["role"] = row.pop("candidate")
    found["views"] = saved_views.of_project(app, project)
    found["class"] = governance.policy(app, project)
    assert [(r["teacher"], r["terms"], r["who"]) for r in app.store.rows("SELECT * FROM terms_overrides")] == [
        ("scripted", "unknown", "Dr Who")
    ]
    return json.loads(json.dumps(found, default=str))


def told(found: dict, name: str) -> list:
    skip = ("created",) if name in ("seeds", "runs") else ()  # of a seed and a run: when they were brought in
    rows = found[name] if isinstance(found[name], list) else [found[name]]
    return sorted(json.dumps({k: v for k, v in row.items() if k not in skip}, sort_keys=True) for row in rows)


def test_it_opens_and_is_rebuilt_to_the_same(old: Path):
    expected = json.loads((old / "expected.json").read_text())
    project = expected["projects"][0]["project_id"]
    app = open_app(old / "workspace")
    assert app.problems == []
    opened = state(app, project)
    app.close()
    result = rebuild(old / "workspace")
    assert result["problems"] == []
    again = open_app(old / "workspace")
    rebuilt = state(again, project)
    again.close()
    for name in expected:
        assert told(opened, name) == told(expected, name), name
        assert told(rebuilt, name) == told(expected, name), name


def test_it_goes_on(old: Path):
    """New decisions lie after the old ones, undo reaches back, and all of it is rebuilt."""
    app = open_app(old / "workspace")
    [project] = app.store.rows("SELECT * FROM projects")
    before = app.store.rows("SELECT * FROM current_reviews ORDER BY sample_id")
    mended = next(row for row in before if row["action"] == "edit")
    assert review_decisions.undo(app, project["project_id"], "Ada")
    review_decisions.decide(app, mended["sample_id"], "reject", "Cleo")
    governance.set_data_class(app, project["project_id"], "public")
    now = "SELECT * FROM current_reviews ORDER BY sample_id"
    live = app.store.rows(now), governance.policy(app, project["project_id"])
    assert next(r for r in live[0] if r["sample_id"] == mended["sample_id"])["action"] == "reject"
    assert live[1]["data_class"] == "public"
    app.close()
    rebuild(old / "workspace")
    again = open_app(old / "workspace")
    assert again.problems == []
    assert again.store.rows(now) == live[0]
    assert governance.policy(again, project["project_id"]) == live[1]
    again.close()


def test_its_student_its_comparison_and_its_selections_are_read(old: Path):
    app = open_app(old / "workspace")
    [project] = app.store.rows("SELECT project_id FROM projects")
    [run] = training_runs.list_runs(app, project["project_id"])
    assert training_runs.has_student(app, run["run_id"])
    assert names.of_run(app, run["run_id"]) == "Old student"
    assert training_runs.answers(app, run["run_id"])
    [compared] = comparison.list_runs(app, project["project_id"])
    assert set(comparison.summary(app, compared["run_id"])) == {"base", "student"}
    for version in datasets.list_datasets(app.store, project["project_id"]):
        assert samples.count(app.store, project["project_id"], from_json(version["selection"])) > 0
    picks = [row for row in verdicts.counts(app.store, project["project_id"]) if row["kind"] == "pick"]
    assert len(picks) == 1
    link = HasVerdict.model_validate({"kind": "verdict", "filter": f"pick: {picks[0]['filter']}", "passed": True})
    assert samples.count(app.store, project["project_id"], link) == 6
    concept = HasScore.model_validate({"kind": "score", "filter": "concept: dosage", "low": 0.0})
    assert samples.count(app.store, project["project_id"], concept) == 24
    states = ReviewIs.model_validate({"kind": "review", "states": ["accepted", "edited"]})
    assert samples.count(app.store, project["project_id"], states) > 0
    app.close()
