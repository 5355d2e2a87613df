"""A model is found by its name, folder or Hub id."""

import os

import pytest

from kdcore.errors import ConfigError
from kdcore.jobs.run_dir import RunDir
from kdcore.models import fingerprint, layer_count, names_hub_id, resolve
from kdcore.workers import base


def test_models_by_name_folder_or_hub(tmp_path):
    with pytest.raises(ConfigError, match="make setup"):
        resolve("smollm2-135m-instruct", tmp_path)
    with pytest.raises(ConfigError, match="unknown model"):
        resolve("no such model", tmp_path)
    assert resolve("org/name", tmp_path) is None
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 2}')
    assert resolve(str(tmp_path), tmp_path) == tmp_path
    assert fingerprint("a", tmp_path) != fingerprint("a", None)


@pytest.mark.parametrize("name", ["n" * 300, "~nobody-here/x", "a\0b", "n/" * 3000])
def test_a_name_that_no_folder_can_have_is_an_unknown_model(name, tmp_path):
    with pytest.raises(ConfigError, match="unknown model"):
        resolve(name, tmp_path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_config_of_a_model_is_said(content, tmp_path):
    (tmp_path / "config.json").write_bytes(content)
    for ask in (lambda: fingerprint("a", tmp_path), lambda: layer_count(tmp_path)):
        with pytest.raises(ConfigError, match=r"config\.json of the model"):
            ask()


@pytest.mark.parametrize(
    ("config", "asks"),
    [
        ({"teacher": {"engine": "vllm", "model": "smollm2-135m-instruct"}, "teacher_path": "models:smollm2"}, False),
        ({"teacher_path": "/srv/models/llama"}, False),
        ({"student_path": "runs:distill-x/student"}, False),
        ({"teacher": {"model": "org/name"}}, True),
        ({"options": [{"deep": {"student": "org/name-1.5"}}]}, True),
        ({}, False),
    ],
)
def test_only_a_hub_id_needs_the_hub(config, asks, monkeypatch, tmp_path):
    assert names_hub_id(config) is asks
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"):
        monkeypatch.setenv(name, "x")  # so that it is taken back after the test
        monkeypatch.delenv(name)
    base._stay_at_home(RunDir.create(tmp_path, "generate-x", config))
    assert (os.environ.get("HF_HUB_OFFLINE") == "1") is not asks
