"""A model is found by its name, folder or Hub id."""

import pytest

from kdcore.errors import ConfigError
from kdcore.models import fingerprint, resolve


def test_models_by_name_folder_or_hub(tmp_path):
    with pytest.raises(ConfigError, match="make setup"):
        resolve("smollm2-135m-instruct", tmp_path)
    with pytest.raises(ConfigError, match="unknown model"):
        resolve("no such model", tmp_path)
    assert resolve("org/name", tmp_path) is None
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 2}')
    assert resolve(str(tmp_path), tmp_path) == tmp_path
    assert fingerprint("a", tmp_path) != fingerprint("a", None)
