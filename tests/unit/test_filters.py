"""Filters: right on plain cases, total on any text, one verdict for each row."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdcore.filters import FILTERS
from kdcore.filters.near_duplicates import NearDuplicatesConfig, jaccard, pairs, shingles

GOOD = "Aspirin thins the blood, so it can stop a clot from growing while help is on its way."


def judge(name, *answers, **options):
    rows = [{"sample_id": str(i), "question": "q", "answer": a} for i, a in enumerate(answers)]
    return FILTERS[name].judge(rows, FILTERS[name].config(**options))


@pytest.mark.parametrize(
    ("name", "bad"),
    [
        ("length", "Yes."),
        ("refusal", "I can't provide medical advice about this."),
        ("repetition", "the same four words " * 12),
        ("truncation", "Aspirin thins the blood, so it can stop a clot from"),
        ("placeholder", "Under Article X you have to file a claim."),
        ("placeholder", "Dear [insert name], thank you for writing."),
    ],
)
def test_bad_fails_with_a_reason_and_good_passes(name, bad):
    first, second = judge(name, bad, GOOD)
    assert not first.passed
    assert first.reason
    assert second.passed
    assert second.reason == ""


def test_near_duplicates_name_the_row_that_is_kept():
    words = GOOD.split()
    near = " ".join([*words[:-1], "coming."])
    verdicts = judge("near_duplicates", GOOD, "Something quite different about contracts and notice periods.", near)
    assert [v.passed for v in verdicts] == [True, True, False]
    assert "sample 0" in verdicts[2].reason


def test_an_exact_duplicate_differs_at_most_in_case_and_spaces():
    assert [v.passed for v in judge("exact_duplicates", GOOD, GOOD.upper() + " ", GOOD + " Go.")] == [
        True,
        False,
        True,
    ]
    ends = [
        "It is 5.",
        "- one\n- two three four)",
        "```\nprint(a b c)\n```",
        "The dose is about 250",
        "这是一个完整的句子。",
    ]
    assert all(v.passed for v in judge("truncation", *ends))


def test_candidates_are_checked_by_true_overlap():
    texts = [f"word{i} alpha beta gamma delta epsilon zeta eta theta iota" for i in range(30)]
    config = NearDuplicatesConfig(threshold=0.6)
    for earlier, later, alike in pairs(texts, config):
        assert alike == jaccard(shingles(texts[earlier], 3), shingles(texts[later], 3)) >= 0.6


@settings(max_examples=60, deadline=None)
@given(answers=st.lists(st.text(max_size=200), max_size=6), name=st.sampled_from(sorted(FILTERS)))
def test_filters_are_total(answers, name):
    verdicts = judge(name, *answers)
    assert len(verdicts) == len(answers)
    assert all(v.passed or v.reason for v in verdicts)
