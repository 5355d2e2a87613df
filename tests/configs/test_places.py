"""A config names where a folder lies, not its path on one machine."""

from pathlib import Path

from kdcore.configs.base import load_config
from kdcore.configs.exploration import EmbedConfig, ScreenConfig
from kdcore.settings import Workspace

HERE, THERE = Workspace(root=Path("/here/ws")).mounts, Workspace(root=Path("/mnt/other")).mounts


def test_a_folder_of_the_workspace_is_written_by_its_mount_and_found_on_another_machine():
    config = EmbedConfig(model_path="/here/ws/models/minilm-l6-v2")
    written = config.portable(HERE)
    assert written["model_path"] == "models:minilm-l6-v2"
    assert load_config(EmbedConfig, written, THERE).model_path == "/mnt/other/models/minilm-l6-v2"
    assert load_config(EmbedConfig, written).portable(THERE) == written


def test_a_folder_of_the_users_own_and_a_hub_id_stay_as_they_are():
    for place in ("/elsewhere/model", "org/name", ""):
        written = EmbedConfig(model_path=place).portable(HERE)
        assert written["model_path"] == place
        assert load_config(EmbedConfig, written, THERE).model_path == place


def test_places_inside_a_table_too_and_text_that_looks_like_one_is_left_alone():
    config = ScreenConfig(places={"a map": "/here/ws/runs/embed-1"}, options={"x": {"word": "models:x"}})
    written = config.portable(HERE)
    assert written["places"] == {"a map": "runs:embed-1"}
    read = load_config(ScreenConfig, written, THERE)
    assert read.places == {"a map": "/mnt/other/runs/embed-1"} and read.options == {"x": {"word": "models:x"}}


def test_the_two_folders_of_0_1_0_are_read():
    old = {"filters": ["outliers"], "vectors": "/here/ws/runs/embed-1", "embedder": ""}
    assert load_config(ScreenConfig, old).places == {"a map": "/here/ws/runs/embed-1"}
