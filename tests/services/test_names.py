"""What runs are called: by themselves, by people, and after everything was made anew."""

import json
import time

import pytest

from kdcore.errors import ConfigError
from kdcore.records.runs import Run
from kdcore.services import names, projects
from kdcore.services.workspace import App, open_app, rebuild
from kdcore.store import runs

PROJECT = "pj_1"


def add(app: App, run_id: str, kind: str, age: float = 0.0, **config) -> str:
    runs.add(
        app.store,
        {
            "run_id": run_id,
            "project_id": PROJECT,
            "kind": kind,
            "config": {"project_id": PROJECT, **config},
            "created": time.time() - age,
        },
    )
    return run_id


@pytest.fixture
def app(tmp_path):
    app = open_app(tmp_path / "ws")
    yield app
    app.close()


def test_runs_are_named_by_what_they_are_and_no_two_alike(app):
    day = time.strftime("%-d %b")
    add(app, "generate-1", "generate", 5, prompt_version_id="none")
    add(app, "generate-2", "generate", 4, prompt_version_id="none")
    add(app, "embed-1", "embed", 3, text="question_answer")
    student = add(app, "distill-1", "distill", 2, name="First student")
    add(app, "evaluate-1", "evaluate", 1, train_run_id=student)
    assert {run: each.name for run, each in names.of_project(app, PROJECT).items()} == {
        "generate-1": f"Answers, a prompt, {day}",
        "generate-2": f"Answers, a prompt, {day} (2)",
        "embed-1": f"Map of questions and answers, {day}",
        "distill-1": "First student",
        "evaluate-1": "Comparison of First student",
    }
    assert names.of_project(app, PROJECT)["generate-2"].place == 1, "its colour is its place among its kind"


def test_a_later_run_changes_no_name_and_no_colour(app):
    add(app, "distill-1", "distill", 2, name="Tutor")
    before = names.of_project(app, PROJECT)["distill-1"]
    add(app, "distill-2", "distill", 1, name="Tutor")
    assert names.of_project(app, PROJECT)["distill-1"] == before
    assert names.of_run(app, "distill-2") == "Tutor (2)"


def test_naming_one_renames_no_other_and_a_given_name_is_nobody_elses(app):
    for number in (1, 2, 3):
        add(app, f"distill-{number}", "distill", 5 - number, name="Tutor")
    names.rename(app, "distill-1", "The first", "Dr A")
    names.rename(app, "distill-2", "Tutor (4)", "Dr A")
    add(app, "distill-4", "distill", 0.5, name="Tutor")
    found = [each.name for each in names.of_project(app, PROJECT).values()]
    assert found == ["The first", "Tutor (4)", "Tutor (3)", "Tutor (5)"]


def test_a_run_whose_config_is_of_another_version_keeps_no_other_from_its_name(app):
    add(app, "distill-1", "distill", 2, name="Old", sweep="sweep-1", slices="damaged")
    add(app, "distill-2", "distill", 1, name="New")
    assert [each.name for each in names.of_project(app, PROJECT).values()] == ["Old", "New"]


def test_a_given_name_holds_and_is_refused_where_another_has_it(app):
    for number in (1, 2):
        add(app, f"distill-{number}", "distill", 3 - number, name="Tutor")
    names.rename(app, "distill-2", "  The\n brave  one ", "Dr A")
    assert names.of_run(app, "distill-2") == "The brave one"
    with pytest.raises(ConfigError, match='another run is called "The brave one"'):
        names.rename(app, "distill-1", "The brave one", "Dr A")
    for empty in ("", "  "):
        with pytest.raises(ConfigError, match="a name of at least one letter"):
            names.rename(app, "distill-1", empty, "Dr A")
    with pytest.raises(ConfigError, match="there is no run"):
        names.rename(app, "distill-9", "x", "Dr A")


def test_a_name_that_somebody_gave_is_in_the_log_and_is_there_after_a_rebuild(tmp_path):
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "P")
    folder = app.folders.runs / "distill-20260101-000000-aaaa"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"project_id": project, "name": "Tutor"}))
    made: Run = {
        "run_id": folder.name,
        "project_id": project,
        "kind": "distill",
        "config": {"name": "Tutor"},
        "created": 1.0,
    }
    runs.add(app.store, made)
    names.rename(app, folder.name, "Kept", "Dr A")
    root = app.folders.root
    app.close()
    rebuild(root)
    again = open_app(tmp_path / "ws")
    assert runs.given_names(again.store, project) == {folder.name: "Kept"}
    again.close()
