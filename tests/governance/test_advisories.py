"""Libraries with a known hole are said, by doctor and on every page."""

import pytest

from kdcore.governance import advisories
from kdcore.services import models
from kdcore.services.workspace import open_app
from kdcore.settings import workspace


def test_what_is_installed_here_has_no_known_hole():
    assert advisories.unsound() == []


@pytest.mark.parametrize("old", ["1.53.9", "1.9", "1.54.0rc1", "0.99+local"])
def test_an_older_one_is_said_with_what_to_do(monkeypatch, tmp_path, old):
    monkeypatch.setattr(advisories, "installed", lambda: {"streamlit": old, "duckdb": "999"})
    [found] = advisories.unsound()
    assert found.startswith(f"streamlit {old} has a known hole") and "update it to 1.54.0" in found
    assert found in models.doctor(workspace(tmp_path / "ws"))["problems"]
    app = open_app(tmp_path / "ws")
    assert any("known hole" in problem for problem in app.problems)
    app.close()


@pytest.mark.parametrize("sound", ["1.54.0", "1.54.0+cpu", "2.0"])
def test_a_sound_one_is_not(monkeypatch, sound):
    monkeypatch.setattr(advisories, "installed", lambda: {"streamlit": sound})
    assert advisories.unsound() == []
