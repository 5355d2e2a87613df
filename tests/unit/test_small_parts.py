"""Words, splits, batches, forms, metrics, models: one property each."""

import socket

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.configs.teacher import SamplingConfig
from kdcore.distill.batch import Teaching, batches, collate
from kdcore.distill.data import Row
from kdcore.distill.loop import _from_step, planned_steps
from kdcore.distill.preflight import Report, check_rows, check_sources, refuse
from kdcore.distill.runaway import Runaway
from kdcore.distill.student import kept_layers
from kdcore.errors import ConfigError, DataError, JobError
from kdcore.evaluate.metrics import bootstrap_mean, rouge_l
from kdcore.explore.clustering import cluster
from kdcore.explore.embedders import token_batches
from kdcore.explore.projection import project
from kdcore.explore.titles import titles
from kdcore.explore.vector_cache import VectorCache
from kdcore.models import fingerprint, resolve
from kdcore.services.datasets import split_by_group
from kdcore.services.distillation import smooth
from kdcore.services.maps import Picture
from kdcore.services.training_input import with_question
from kdcore.ui.forms import bounds
from kdcore.ui.launch import free_port
from kdcore.ui.map_chart import sample_map
from kdcore.ui.words import duration, marked, safe_html, sentence, short


def test_model_text_is_never_html():
    html = safe_html(
        "<script>alert(1)</script> ![x](http://evil/x.png) [a](javascript:alert(1)) <img src=x> **bold** http://x.y"
    )
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html
    assert "<strong>bold</strong>" in html


def test_words():
    assert [duration(s) for s in (None, 4.4, 200, 7500)] == ["–", "4 s", "3 min 20 s", "2 h 5 min"]
    assert short("a  b\nc", 5) == "a b c"
    assert short("abcdefgh", 5) == "abcd…"


@given(groups=st.lists(st.sampled_from("abcdefg"), max_size=60), share=st.floats(0, 0.5), seed=st.integers(0, 5))
def test_split_keeps_groups_whole(groups, share, seed):
    splits = split_by_group(groups, share, seed)
    for group in set(groups):
        assert len({s for g, s in zip(groups, splits, strict=True) if g == group}) == 1
    if len(set(groups)) > 1 and share > 0:
        assert 0 < splits.count("heldout") < len(groups)


@given(values=st.lists(st.floats(-10, 10), min_size=1, max_size=30), weight=st.floats(0, 0.95))
def test_smoothing_stays_in_range_and_starts_at_the_first(values, weight):
    smoothed = smooth(values, weight)
    assert smoothed[0] == pytest.approx(values[0])
    assert min(values) - 1e-6 <= min(smoothed)
    assert max(smoothed) <= max(values) + 1e-6


@given(lengths=st.lists(st.integers(1, 300), max_size=50))
def test_token_batches_cover_every_row_once_within_the_budget(lengths):
    found = list(token_batches(lengths, 512))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 512 for b in found)


def rows(count, supervised=3):
    return [Row(f"s{i}", 0, 2, list(range(2 + supervised + i % 4)), False, None, None) for i in range(count)]


def test_batches_are_seeded_and_resume_in_the_same_order():
    config = DistillConfig(slices=(SliceConfig(dataset_id="d"),), batch_size=4, epochs=3)
    data = rows(10)
    total = planned_steps(config, len(data))
    everything = [[r.sample_id for r in group] for group in _from_step(data, config, 0, total)]
    resumed = [[r.sample_id for r in group] for group in _from_step(data, config, 4, total)]
    assert len(everything) == total == 9
    assert resumed == everything[4:]
    assert sorted(r.sample_id for group in batches(data, 4, 0, 1) for r in group) == sorted(r.sample_id for r in data)


def test_collate_points_at_the_state_before_each_supervised_token():
    batch = collate(rows(3), pad_id=0, teaching=Teaching((2.0,), (0,), (False,), (False,)))
    width = batch.input_ids.shape[1]
    for position, label in zip(batch.positions.tolist(), batch.targets.labels.tolist(), strict=True):
        assert int(batch.input_ids[position // width, position % width + 1]) == label
    assert float(batch.targets.weights.sum()) == pytest.approx(2.0)


def test_a_message_begins_with_a_capital_and_none_of_its_signs_is_markup():
    assert sentence("a_b is *new*") == "A\\_b is \\*new\\*"
    assert sentence("") == ""


def test_preflight_refuses_when_nothing_is_supervised():
    config = DistillConfig(slices=(SliceConfig(dataset_id="d", loss="sequence_level_kd"),))
    report = check_rows(config, rows(2, supervised=0)[:1], [], Report())
    with pytest.raises(DataError, match="no supervised token"):
        refuse(report)
    topk = check_rows(config.model_copy(update={"slices": (SliceConfig(dataset_id="d"),)}), rows(2), [], Report())
    with pytest.raises(DataError, match="no row has stored top-k"):
        refuse(topk)


def test_words_of_several_models_are_told_where_they_are_learnt():
    told = [{"slice": 0, "topk_ids": [1], "said_by": name} for name in ("A", "A", "B", None)]
    told += [{"slice": 1, "topk_ids": [1], "said_by": "C"}, {"slice": 0, "topk_ids": None, "said_by": "D"}]
    slices = (SliceConfig(dataset_id="d"), SliceConfig(dataset_id="e", loss="sequence_level_kd"))
    report, of_one = Report(), Report()
    check_sources(DistillConfig(slices=slices), told, report)
    assert report.said_by == {"A": 2, "B": 1}
    assert "of 2 models: A (2 of 3 rows), B (1 of 3 rows)" in report.warnings[0]
    check_sources(DistillConfig(slices=slices), told[:2], of_one)
    assert of_one.warnings == []


def test_layers_are_spread_with_both_ends():
    assert kept_layers(30, 10) == [0, 3, 6, 10, 13, 16, 19, 23, 26, 29]
    assert kept_layers(4, 4) == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="30 layers"):
        kept_layers(30, 31)


@pytest.mark.parametrize("n", [0, 1, 3, 5, 40])
def test_maps_of_any_size(n):
    vectors = np.random.default_rng(0).normal(size=(n, 8)).astype(np.float32)
    flat, labels = project(vectors), cluster(vectors)
    assert flat.shape == (n, 2)
    assert labels.shape == (n,)
    assert np.isfinite(flat).all()
    assert np.abs(flat).max(initial=0) <= 1.0 + 1e-6


def test_titles_tell_groups_apart():
    texts = ["heart attack heart", "heart pressure", "contract law offer", "contract clause"]
    found = titles(texts, np.array([0, 0, 1, 1]))
    assert "heart" in found[0]
    assert "contract" in found[1]
    assert titles(["the of", "and"], np.array([0, 1])) == {0: "group 1", 1: "group 2"}


def test_vector_cache_returns_what_it_was_given(tmp_path):
    cache = VectorCache(tmp_path, "m", 256, "float32", 4)
    vectors, missing = cache.look_up(["a", "b"])
    assert missing == [0, 1]
    cache.add(["a", "b"], np.arange(8, dtype=np.float32).reshape(2, 4))
    again = VectorCache(tmp_path, "m", 256, "float32", 4)
    vectors, missing = again.look_up(["b", "c", "a"])
    assert missing == [1]
    assert vectors[0].tolist() == [4, 5, 6, 7]
    assert VectorCache(tmp_path, "other", 256, "float32", 4).look_up(["a"])[1] == [0]


def test_metrics():
    assert rouge_l("the cat sat", "the cat sat") == 1.0
    assert rouge_l("", "the cat") == 0.0
    found = bootstrap_mean([1.0, 2.0, 3.0])
    assert found["low"] <= found["mean"] == 2.0 <= found["high"]
    assert bootstrap_mean([])["n"] == 0


def test_models_by_name_folder_or_hub(tmp_path):
    with pytest.raises(ConfigError, match="make setup"):
        resolve("smollm2-135m-instruct", tmp_path)
    with pytest.raises(ConfigError, match="unknown model"):
        resolve("no such model", tmp_path)
    assert resolve("org/name", tmp_path) is None
    (tmp_path / "config.json").write_text('{"num_hidden_layers": 2}')
    assert resolve(str(tmp_path), tmp_path) == tmp_path
    assert fingerprint("a", tmp_path) != fingerprint("a", None)


def test_form_bounds_come_from_the_config():
    assert bounds(SamplingConfig.model_fields["max_tokens"]) == (1, 32768)
    low, high = bounds(SamplingConfig.model_fields["top_p"])
    assert low > 0
    assert high == 1


def test_a_taken_port_moves_on():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) > port


@pytest.mark.parametrize(
    ("loss", "norm", "word"), [(float("nan"), 1.0, "lower"), (1.0, float("inf"), "lower"), (0.0, 0.0, "nothing")]
)
def test_a_loss_that_makes_no_sense_stops_the_run(loss, norm, word):
    with pytest.raises(JobError, match=word):
        Runaway().check(loss, norm, 7)
    Runaway().check(0.5, 1.0, 7)


def talk(*turns: str) -> list[dict]:
    return [{"role": "user" if i % 2 == 0 else "assistant", "content": text} for i, text in enumerate(turns)]


def test_an_edited_question_goes_where_the_asked_one_stood():
    row = {"asked": "How much?", "question": "How much a day?", "sample_id": "sm_1"}
    changed = with_question(talk("How much? Please.", "5 mg.", "Result: 5 mg. Now answer."), row)
    assert [m["content"] for m in changed] == ["How much a day? Please.", "5 mg.", "Result: 5 mg. Now answer."]
    assert with_question(talk("Another wording"), row)[0]["content"] == "How much a day?"
    with pytest.raises(ConfigError, match="sm_1 stands nowhere in its talk"):
        with_question(talk("One", "Two", "Three"), row)


def test_what_is_looked_for_is_marked_in_the_text_alone():
    shown = safe_html("A strong **dose** & a pDose.")
    assert marked(shown, ["dose"]).count("<mark>") == 2
    assert marked(shown, ["strong"]).count("<mark>") == 1, "the tag of the same name stays"
    assert marked(shown, ["amp"]) == shown, "an entity stays whole"
    assert marked(shown, ["(", "x*"]) == shown
    assert "<mark>5 mg</mark>" in marked(safe_html("Take 5 mg."), ["5 MG"])


def test_a_map_of_many_groups_drops_its_legend_and_titles_that_would_cover_another():
    def place(group: int) -> dict:
        return {"x": 0.001 * group, "y": 0.0} if group < 20 else {"x": 1.0, "y": 1.0}

    def picture(count: int, groups: int) -> Picture:
        text = {"question": "<b>q</b>", "answer": "a"}
        names = [(f"s{i}", i % groups) for i in range(count)]
        points = [
            {"sample_id": key, "cluster": g, "selected": key != "s0", "title": f"g{g}", "colour": f"g{g}"}
            | {**place(g), **text}
            for key, g in names
        ]
        titles = [{"cluster": g, "title": f"<g{g}>", "parent_title": f"<g{g}>", **place(g)} for g in range(groups)]
        return Picture(points, titles, [{"column": 0, "line": 0, "rows": 9}], (-1.0, 1.0, -1.0, 1.0), 0.1, 99, False)

    many = sample_map(picture(21, 21))
    assert not many.layout.showlegend
    assert [a.text for a in many.layout.annotations] == ["<b>&lt;g0&gt;</b>", "<b>&lt;g20&gt;</b>"]
    few = sample_map(picture(6, 2))
    assert few.layout.showlegend
    assert few.data[0].z[0][0] == 3  # the density below the points
    dimmed = {trace.name: trace.marker.opacity for trace in few.data[1:]}
    assert dimmed == {"g0": (0.12, 0.9, 0.9), "g1": 0.9}
    assert few.data[1].text[0].startswith("<b>&lt;b&gt;q&lt;/b&gt;</b>"), "a sample's text is never markup"
