"""What a check needs is found before the start, for its own settings, and loaded where it runs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from kdcore.configs.exploration import ScreenConfig
from kdcore.configs.places import Place
from kdcore.errors import ConfigError
from kdcore.filters import FILTERS, needs
from kdcore.filters.base import Filter
from kdcore.filters.instruction_difficulty import DifficultyConfig
from kdcore.services import projects
from kdcore.services.explore import samples as explore_samples
from kdcore.services.workspace import App
from kdcore.types import Verdict


class ReadableConfig(DifficultyConfig):
    """Another check that reads with a model."""

    student: Place = ""


def _judge(rows: Any, config: ReadableConfig) -> list[Verdict]:
    return [Verdict(True) for _ in rows]


READABLE = Filter("readable", "A model can read it", ReadableConfig, _judge, needs=(needs.READER,))


class Bench:
    """Vectors of two known texts."""

    def embed(self, texts, embedder):
        return np.asarray([[1.0, 0.0] if "dose" in text else [0.0, 1.0] for text in texts], np.float32)

    def vector_of(self, folder):
        return {"a": np.ones(2)}.get

    def check_stop(self):
        pass


@pytest.fixture
def local_model(tmp_path):
    folder = tmp_path / "reader"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return str(folder)


@pytest.mark.parametrize("asked", [["readable"], ["readable", "instruction_difficulty"]])
def test_a_second_check_that_reads_with_a_model_gets_its_own(app: App, monkeypatch, local_model, asked):
    monkeypatch.setitem(FILTERS, "readable", READABLE)
    monkeypatch.setattr(app, "launch", lambda run: run)
    project = projects.create_project(app, "P")
    run = explore_samples.start_screen(
        app, project, asked, options={name: {"student": local_model} for name in asked}
    )
    options = run.load(ScreenConfig).options
    assert {name: options[name]["student"] for name in asked} == dict.fromkeys(asked, local_model)


def test_a_model_that_isnt_there_is_refused_before_anything_is_started(app: App):
    project = projects.create_project(app, "P")
    with pytest.raises(ConfigError, match="no such thing"):
        explore_samples.start_screen(
            app, project, ["instruction_difficulty"], options={"instruction_difficulty": {"student": "no such thing"}}
        )
    for name, said in (("outliers", "needs a map"), ("contamination", "no version holds rows out")):
        with pytest.raises(ConfigError, match=said):
            explore_samples.start_screen(app, project, [name])
    assert list(app.folders.runs.iterdir()) == []


def test_rows_off_the_map_are_not_judged_and_the_rest_carry_their_vector():
    rows = [{"sample_id": "a"}, {"sample_id": "b"}]
    [row] = needs.VECTOR.load(rows, None, "/a/map", Bench())
    assert row["sample_id"] == "a" and row["vector"].tolist() == [1, 1]
    with pytest.raises(ConfigError, match="needs a map"):
        needs.VECTOR.load(rows, None, "", Bench())


def test_the_nearest_item_is_never_the_rows_own():
    check = FILTERS["contamination_by_meaning"]
    settings = check.config(against=("What dose?", "Which court?"), own=("a",))
    rows = [{"sample_id": key, "question": "What dose?"} for key in ("a", "b")]
    own, other = needs.NEAREST_ITEM.load(rows, settings, "/embedder", Bench())
    assert (own["nearest_item"], other["nearest_item"]) == ((0.0, 1), (1.0, 0))


def test_a_check_that_tells_how_far_it_is_hears_of_its_rows():
    told: list[int] = []
    check = replace(READABLE, ticks=True, judge=lambda rows, config, tick: [tick(1), Verdict(True)][1:])
    assert check.verdicts([{"sample_id": "a"}], ReadableConfig(), told.append) == [Verdict(True)]
    assert told == [1]
