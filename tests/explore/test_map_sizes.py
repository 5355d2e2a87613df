"""Maps and titles of any number of samples."""

import numpy as np
import pytest

from kdcore.explore.clustering import cluster
from kdcore.explore.projection import project
from kdcore.explore.titles import titles


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
