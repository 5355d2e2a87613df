"""Texts become vectors once, in batches that fit."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kdcore.explore.embedders import token_batches
from kdcore.explore.vector_cache import VectorCache


@given(lengths=st.lists(st.integers(1, 300), max_size=50))
def test_token_batches_cover_every_row_once_within_the_budget(lengths):
    found = list(token_batches(lengths, 512))
    assert sorted(i for batch in found for i in batch) == list(range(len(lengths)))
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 512 for b in found)


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
