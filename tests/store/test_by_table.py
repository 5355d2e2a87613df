"""What each table's module answers, on a workspace that a real run filled."""

import time
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kdcore.configs.selection import All, ColumnIs, Not, TextHas
from kdcore.elicitation import METHODS
from kdcore.records.decisions import TermsDecided, ViewSaved
from kdcore.records.journal import EvalItemRecord
from kdcore.services import projects
from kdcore.services.datasets import versions
from kdcore.services.explore import tags as tag_service
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import open_app
from kdcore.store import evaluations, routing, saved_views, selection, tags
from kdcore.store import projects as project_store
from kdcore.store.engine import snapshot
from tests.conftest import PLAIN, SCRIPTED, import_questions

ROWS = 10


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("filled")
    app = open_app(folder / "ws")
    project = projects.create_project(app, "P")
    import_questions(app, project, folder, ROWS)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    deadline = time.monotonic() + 60
    while app.status(run.run_id).state != "done" and time.monotonic() < deadline:
        time.sleep(0.05)
    yield app, project, run.run_id
    app.close()


def test_a_selection_becomes_a_condition_with_its_values_apart(filled):
    app, project, _ = filled
    part = All(parts=(ColumnIs(column="topic", values=("topic 1",)), Not(part=TextHas(query="%' OR 1=1 --"))))
    sql, values = selection.compile_selection(part)
    assert "OR 1=1" not in sql and "topic 1" in str(values)
    found = app.store.scalar(f"SELECT count(*) FROM samples s WHERE s.project_id = ? AND {sql}", [project, *values])
    assert found == ROWS / 5


def test_tags_are_counted_and_told_apart(filled):
    app, project, _ = filled
    tag_service.tag(app, project, ColumnIs(column="topic", values=("topic 0",)), "dose", "Dr A")
    assert [(row["tag"], row["rows"]) for row in tags.tag_counts(app.store, project)] == [("dose", 2)]
    assert len(tags.untagged(app.store, project, All(), "dose", present=True)) == ROWS - 2
    [one, _] = tags.tagged(app.store, project, "dose")
    assert tags.tags_of(app.store, one) == ["dose"]


def test_a_view_saved_and_forgotten_in_one_moment_is_forgotten(filled):
    """The clock may stand still; the order of the log does not."""
    app, project, _ = filled
    for query, present in (("a=1", True), ("a=2", True), ("a=2", False)):
        app.decide(
            ViewSaved(project_id=project, name="mine", query=query, reviewer="A", present=present, created=5.0)
        )
        shown = [view["query"] for view in saved_views.of_project(app.store, project)]
        assert shown == ([query] if present else [])


def test_terms_of_two_teachers_decided_in_one_moment_are_both_kept(filled):
    app, project, _ = filled
    for teacher in ("one", "two"):
        app.decide(TermsDecided(project_id=project, teacher=teacher, terms="t", who="A", why="may", created=5.0))
    assert [row["teacher"] for row in project_store.terms_overrides(app.store, project)] == ["one", "two"]


def test_parts_of_a_project_are_told_by_topic(filled):
    app, _, run = filled
    found = {row["part"]: (row["rows"], row["usable"]) for row in routing.by_part(app.store, [run], "topic", "", "")}
    assert found == {f"topic {n}": (2, 2) for n in range(5)}
    assert len(routing.answered(app.store, [run])) == ROWS


def test_an_item_of_an_evaluation_counts_once_and_brings_its_question(filled):
    app, project, _ = filled
    frozen = versions.freeze(app, project, "D", heldout_share=0.2)["dataset_id"]
    run = app.create_run("evaluate", {"project_id": project, "dataset_id": frozen})
    app._register(run)
    sample = versions.rows_of(app, frozen, "heldout")[0]["sample_id"]
    item = EvalItemRecord(
        sample_id=sample, candidate="student", completion="Yes.", measures={"rougeL": 0.5}, time=1.0
    )
    for _ in range(2):
        with app.store.transaction() as tx:
            evaluations.insert(tx, run.run_id, [item])
    [found] = evaluations.items(app.store, run.run_id)
    assert (found["completion"], found["measures"]) == ("Yes.", {"rougeL": 0.5})
    assert found["question"].startswith("What is thing")


def test_a_snapshot_holds_one_project_and_is_made_once_for_each_state(filled, tmp_path: Path):
    app, project, _ = filled
    other = projects.create_project(app, "Other")
    first = snapshot.take(app.store, project, tmp_path)
    assert snapshot.take(app.store, project, tmp_path) == first
    assert pq.read_table(first / "samples.parquet").num_rows == ROWS
    assert pq.read_table(snapshot.take(app.store, other, tmp_path) / "samples.parquet").num_rows == 0
    projects.create_project(app, "Third")
    assert snapshot.take(app.store, project, tmp_path) != first
