"""A run folder that was copied to another workspace, or is started by hand, runs there."""

import json
import os
import shutil
import subprocess
import sys

import pytest

from kdcore.elicitation import METHODS
from kdcore.services import projects
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App, open_app
from tests.conftest import PLAIN, SCRIPTED, import_questions


@pytest.fixture
def run(app: App, tmp_path):
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 6)
    prompt = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, prompt, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    for journal in run.journals():
        journal.unlink()  # as it was before its first attempt
    for name in ("status.json", "seals.json"):
        (run.path / name).unlink(missing_ok=True)
    return run


def test_its_config_names_no_path_of_this_machine(app: App, run):
    config = (run.path / "config.json").read_text()
    assert str(app.folders.root) not in config
    assert json.loads(config)["replies"] == "replies:"


def test_copied_into_another_workspace_it_starts_there(app: App, run, tmp_path):
    there = open_app(tmp_path / "another machine")
    try:
        shutil.copytree(run.path, there.folders.runs / run.run_id)
        shutil.rmtree(app.folders.cache / "replies")
        there.launch(there.run_dir(run.run_id))
        assert there.wait(run.run_id).state == "done"
        assert there.store.scalar("SELECT count(*) FROM samples") == 6
        assert (there.folders.cache / "replies").exists()
        assert not (app.folders.cache / "replies").exists()
    finally:
        there.close()


def test_by_hand_it_starts_anywhere(app: App, run, tmp_path):
    copy = tmp_path / "elsewhere" / run.run_id
    shutil.copytree(run.path, copy)
    ended = subprocess.run(
        [sys.executable, "-m", "kdcore.workers.generate", str(copy)],
        env={**os.environ, "KD_WORKSPACE": str(tmp_path / "bare")},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads((copy / "status.json").read_bytes())["state"] == "done"
    assert (tmp_path / "bare" / "cache" / "replies").exists()
