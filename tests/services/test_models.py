"""What a model's name stands for in a workspace."""

import json
from pathlib import Path

import pytest

from kdcore.configs.base import load_config
from kdcore.configs.distillation import StudentConfig
from kdcore.configs.teacher import TeacherConfig
from kdcore.errors import ConfigError
from kdcore.models import resolve
from kdcore.services import models
from kdcore.services.workspace import App


def own_model(folder: Path) -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "llama"}))
    return folder


@pytest.mark.parametrize("name", ["distill-lab/tiny", "distill-mine", "x/distill-a"])
def test_a_name_that_begins_like_a_run_is_none(app: App, name: str):
    assert not models.is_student(app, name)


def test_a_hub_id_of_such_a_name_is_on_the_hub(app: App):
    assert models.folder_of(app, "distill-lab/tiny") is None


def test_a_training_without_a_student_is_said(app: App):
    run = app.create_run("distill", {})
    assert models.is_student(app, run.run_id)
    with pytest.raises(ConfigError, match="no finished student"):
        models.folder_of(app, run.run_id)


def test_a_model_of_the_workspace_is_written_by_its_place(app: App):
    folder = str(own_model(app.folders.models / "mine"))
    mounts = app.folders.mounts
    for config in (TeacherConfig(model=folder), StudentConfig(init="model", model=folder)):
        written = config.portable(mounts)
        assert written["model"] == "models:mine"
        assert load_config(type(config), written, mounts).model == folder


def test_a_link_among_the_models_is_found_by_its_own_name(app: App, tmp_path: Path):
    """Where it leads is of this machine only."""
    link = app.folders.models / "linked"
    link.symlink_to(own_model(tmp_path / "elsewhere"))
    assert resolve(str(link), app.folders.models) == link
