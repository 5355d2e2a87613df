"""Selectors, concepts and groups: each does what its source says, on sets where the right answer is plain."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdcore.errors import ConfigError
from kdcore.explore.clustering import ALGORITHMS, cluster, parents
from kdcore.explore.concept import learn
from kdcore.explore.selectors import SELECTORS, VectorPool


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowd(groups: int, rows: int, spread: float = 0.05, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    chance = np.random.default_rng(seed)
    centres = np.linalg.qr(chance.normal(size=(32, 32)))[0][:groups]
    labels = np.repeat(np.arange(groups), rows)
    return unit(centres[labels] + chance.normal(0, spread, (len(labels), 32))), labels


def pool(vectors: np.ndarray, scores: np.ndarray | None = None, layers: np.ndarray | None = None) -> VectorPool:
    n = len(vectors)
    return VectorPool(
        vectors, np.arange(n, dtype=float) if scores is None else scores, np.zeros(n) if layers is None else layers
    )


@settings(max_examples=30, deadline=None)
@given(name=st.sampled_from(sorted(SELECTORS)), rows=st.integers(0, 12), count=st.integers(1, 15))
def test_a_selector_never_repeats_a_row_and_keeps_to_the_budget(name, rows, count):
    vectors = (
        unit(np.random.default_rng(rows).normal(size=(rows, 32)) + 1e-3) if rows else np.zeros((0, 32), np.float32)
    )
    chosen = SELECTORS[name](pool(vectors), count, 0)
    assert len(set(chosen.tolist())) == len(chosen) <= min(rows, count)
    if name != "top_diverse":
        assert len(chosen) == min(rows, count)


def test_k_centre_reaches_every_group_before_any_twice():
    vectors, labels = crowd(6, 40)
    chosen = SELECTORS["k_centre"](pool(vectors), 6, 0)
    assert sorted(labels[chosen]) == list(range(6))
    spread = {name: (vectors @ vectors[SELECTORS[name](pool(vectors), 12, 0)].T).max(1).min() for name in SELECTORS}
    assert spread["k_centre"] > spread["random"]


def test_stratified_gives_equal_parts_and_passes_on_what_is_lacking():
    layers = np.asarray(["a"] * 50 + ["b"] * 50 + ["c"] * 3, dtype=object)
    chosen = SELECTORS["stratified"](pool(crowd(1, 103)[0], layers=layers), 23, 0)
    counts = {layer: int((layers[chosen] == layer).sum()) for layer in "abc"}
    assert counts["c"] == 3
    assert {counts["a"], counts["b"]} == {10}


def test_top_diverse_takes_the_best_of_each_likeness_and_no_row_without_a_score():
    vectors, labels = crowd(3, 5, spread=0.01)
    scores = np.arange(15, dtype=float)
    scores[14] = np.nan
    chosen = SELECTORS["top_diverse"](pool(vectors, scores), 10, 0)
    assert chosen.tolist() == [13, 9, 4]
    assert labels[chosen].tolist() == [2, 1, 0]


def test_a_concept_is_learnt_from_few_rows_and_says_how_good_it_is():
    vectors, labels = crowd(4, 50)
    concept = learn(vectors[labels == 1][:6], vectors[labels != 1][::12], vectors[:0])
    assert concept.quality == pytest.approx(1.0)
    scores = concept.score(vectors)
    assert scores[labels == 1].min() > 0.5 > scores[labels != 1].max()
    assert learn(vectors[:2], vectors[100:102], vectors[:0]).quality is None


def test_unmarked_rows_stand_in_for_a_no_and_nothing_to_learn_from_is_said():
    vectors, labels = crowd(4, 50)
    concept = learn(vectors[labels == 0][:5], vectors[:0], vectors[labels != 0])
    assert concept.score(vectors)[labels == 0].mean() > 0.6
    with pytest.raises(ConfigError, match="has the concept"):
        learn(vectors[:0], vectors[:3], vectors)
    with pytest.raises(ConfigError, match="has not the concept"):
        learn(vectors[:3], vectors[:0], vectors[:0])


@pytest.mark.parametrize("name", [n for n in ALGORITHMS if n != "evoc"])
def test_each_way_of_grouping_finds_plain_groups(name):
    from sklearn.metrics import adjusted_rand_score

    vectors, labels = crowd(5, 40)
    found = cluster(vectors, 5 if name == "kmeans" else 0, 0, name)
    assert adjusted_rand_score(labels, found) > 0.95
    assert found.min() == 0
    assert (np.diff(np.bincount(found)) <= 0).all(), "the largest group comes first"
    with pytest.raises(ConfigError, match="unknown way of grouping"):
        cluster(vectors, 0, 0, "magic")


def test_broad_groups_hold_near_groups_and_few_groups_are_their_own():
    chance = np.random.default_rng(0)
    fields = np.linalg.qr(chance.normal(size=(32, 32)))[0][:3]
    labels = np.repeat(np.arange(12), 20)
    vectors = unit(
        fields[labels // 4] * 3 + chance.normal(0, 0.4, (12, 32))[labels] + chance.normal(0, 0.05, (240, 32))
    )
    broad = parents(vectors, labels.astype(np.int32))
    assert sorted(np.unique(broad)) == [0, 1, 2]
    assert all(len(set(broad[i : i + 4])) == 1 for i in (0, 4, 8))
    assert parents(vectors[:40], labels[:40].astype(np.int32)).tolist() == [0, 1]
    assert len(parents(vectors[:0], labels[:0])) == 0
