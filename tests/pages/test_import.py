"""What a person brings: looked at, passages read and cut, roles said, imported; the link reopens it."""

import json

import pytest
from streamlit.testing.v1 import AppTest

from kdcore.services import projects
from kdcore.services.elicit import imports
from kdcore.services.workspace import open_app
from tests.pages.test_pages import run_page, texts  # noqa: F401 - run_page is a fixture

SECRET = "The Supplier keeps the Confidential Information secret and tells nobody except as required by law."


def looked_at(tmp_path, name, text, kind, shown=20):
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "P")
    path = tmp_path / name
    path.write_text(text)
    run = imports.read_files(app, project, [(path, name)], kind, shown=shown)
    assert app.wait(run.run_id).state == "done"
    app.close()
    return project, run.run_id


def press(at: AppTest, label: str, place: int = 0) -> AppTest:
    [b for b in at.button if b.label == label][place].click().run()
    assert not at.exception
    return at


def test_passages_are_left_out_joined_cut_and_imported(run_page, tmp_path):  # noqa: F811
    text = "\n\n".join(f"ARTICLE {n}\n\n{n}.1 {SECRET} {SECRET} {SECRET} {SECRET}" for n in range(1, 5))
    project, run_id = looked_at(tmp_path, "contract.txt", text, "document", shown=500)
    at = run_page("pages/1_Elicit.py", project=project, upload=run_id)
    assert "4 passages · 0 left out · 0 changed" in texts(at)
    press(at, "Leave out", 0)
    press(at, "Join with the next", 1)
    assert "4 passages · 2 left out · 1 changed" in texts(at)
    again = run_page("pages/1_Elicit.py", project=project, upload=run_id)  # a new session: nothing is lost
    assert "4 passages · 2 left out · 1 changed" in texts(again)
    press(again, "Import")
    app = open_app(tmp_path / "ws")
    seeds = projects.seeds(app, project, kind="document")
    app.close()
    assert sorted(seed["source"].count("Supplier") for seed in seeds) == [4, 8]


def test_what_was_guessed_is_said_and_a_known_form_needs_no_roles(run_page, tmp_path):  # noqa: F811
    talk = [{"from": "human", "value": "May I?"}, {"from": "gpt", "value": "You may."}]
    project, run_id = looked_at(tmp_path, "talks.jsonl", json.dumps({"conversations": talk}), "answered")
    at = run_page("pages/1_Elicit.py", project=project, upload=run_id)
    assert "talks in ShareGPT's form" in texts(at)
    assert "Question" not in [box.label for box in at.selectbox]
    press(at, "Import")
    assert "1 answer imported" in texts(at)


def test_a_link_to_a_preview_that_is_gone_is_a_sentence(run_page, tmp_path):  # noqa: F811
    project, _ = looked_at(tmp_path, "q.csv", "question\nWhy?\n", "question")
    at = run_page("pages/1_Elicit.py", project=project, upload="read_upload-none")
    assert not at.exception
    assert "There is no run" in texts(at)


pytestmark = pytest.mark.filterwarnings("default")
