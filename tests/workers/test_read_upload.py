"""Uploads are read in a limited child; what can't be read is a sentence, and nothing is lost."""

import json
from pathlib import Path

import pytest

from kdcore.errors import DataError
from kdcore.services import projects
from kdcore.services.workspace import App


def read(app: App, path: Path, mapping=None):
    project = (
        projects.list_projects(app)[0]["project_id"]
        if projects.list_projects(app)
        else projects.create_project(app, "P")
    )
    run = projects.read_file(app, project, path, path.name, "question", mapping)
    status = app.wait(run.run_id, timeout_s=60)
    preview = run.path / "preview.json"
    return project, status, json.loads(preview.read_bytes()) if preview.exists() else None


def test_preview_then_import_then_again(app: App, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("question,topic,level\nWhat?,Heart,easy\n,Heart,easy\nWhy?,Brain,hard\n")
    project, status, preview = read(app, path)
    assert status.state == "done"
    assert preview["columns"] == ["question", "topic", "level"]
    mapping = projects.guess_mapping(preview["columns"])
    assert mapping == {"text": "question", "topic": "topic", "group": "topic", "difficulty": "level"}
    for _ in range(2):  # a second import of the same file adds nothing
        _, status, preview = read(app, path, mapping)
    assert preview["imported"] == 2
    assert preview["rejected"] == [{"row": 2, "reason": 'the column "question" is empty'}]
    seeds = projects.seeds(app, project)
    assert [(s["question"], s["topic"], s["difficulty"]) for s in seeds] == [
        ("Why?", "Brain", "hard"),
        ("What?", "Heart", "easy"),
    ]


def test_a_missing_column_is_named(app: App, tmp_path: Path):
    path = tmp_path / "a.csv"
    path.write_text("question\nWhat?\n")
    _, status, _ = read(app, path, {"text": "frage"})
    assert status.state == "failed"
    assert 'no column "frage" for text; it has: question' in status.message


def test_a_bomb_ends_the_child_only(app: App, tmp_path: Path):
    path = tmp_path / "deep.json"
    path.write_text("[" * 2_000_000)
    _, status, _ = read(app, path)
    assert status.state == "failed"
    assert "not JSON" in status.message


def test_a_missing_file_is_a_sentence(app: App, tmp_path: Path):
    with pytest.raises(DataError, match="there is no file"):
        projects.read_file(app, "p", tmp_path / "none.csv", "none.csv")
