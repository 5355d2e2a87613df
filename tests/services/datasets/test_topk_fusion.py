"""Several teachers' words for one answer: averaged with the rest in the tail, or those of the surest."""

import numpy as np
import pytest

from kdcore.services.datasets.topk_fusion import fuse, surprise


def row(words: list[list[int]], p: list[list[float]], tokens: list[int]) -> dict:
    flat = [w for each in words for w in each]
    return {
        "sample_id": "s",
        "token_ids": tokens,
        "k": len(words[0]),
        "topk_ids": flat,
        "topk_logprobs": np.log([x for each in p for x in each]).tolist(),
    }


ONE = row([[1, 2], [5, 6]], [[0.6, 0.2], [0.5, 0.3]], [1, 5])
TWO = row([[1, 3], [6, 5]], [[0.2, 0.4], [0.9, 0.1]], [1, 5])


def test_the_mean_keeps_the_likeliest_words_and_leaves_the_rest_to_the_tail():
    found = fuse([ONE, TWO], "mean")
    assert found["topk_ids"] == [1, 3, 6, 5]  # 3 and 2 would tie at 0.2 and 0.1: 3 is likelier
    assert np.exp(found["topk_logprobs"]) == pytest.approx([0.4, 0.2, 0.6, 0.3])
    assert (found["sample_id"], found["token_ids"], found["k"]) == ("s", [1, 5], 2)


def test_the_surest_is_whom_the_answer_surprises_least():
    assert surprise(ONE) == pytest.approx(-np.log([0.6, 0.5]).mean())
    assert surprise(TWO) == pytest.approx(-np.log([0.2, 0.1]).mean())
    assert fuse([TWO, ONE], "surest") is ONE
    outside = row([[2, 3], [5, 6]], [[0.6, 0.2], [0.5, 0.3]], [1, 5])
    assert surprise(outside) == pytest.approx(-np.log([0.2, 0.5]).mean())


def test_one_teacher_or_other_tokens_change_nothing():
    assert fuse([ONE], "mean") is ONE
    assert fuse([ONE, TWO], "one") is ONE
    assert fuse([ONE, TWO | {"token_ids": [1, 6]}], "mean") is ONE
