"""The filter language as text: round trips, damaged links."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdcore.configs.selection import (
    All,
    AnyOf,
    ColumnIs,
    HasScore,
    HasTag,
    HasVerdict,
    InClusters,
    InLasso,
    IsOneOf,
    Not,
    ReviewIs,
    TextHas,
    from_json,
    from_url,
    to_json,
    to_url,
)
from kdcore.errors import ConfigError

NUMBER = st.floats(-1, 1, allow_nan=False)
LEAVES = st.one_of(
    st.builds(
        ColumnIs,
        column=st.sampled_from(["topic", "status"]),
        op=st.just("in"),
        values=st.lists(st.text(), max_size=3).map(tuple),
    ),
    st.builds(TextHas, query=st.text(max_size=20), field=st.sampled_from(["any", "answer"])),
    st.builds(InClusters, map_run=st.just("m"), clusters=st.lists(st.integers(0, 3), max_size=3).map(tuple)),
    st.builds(HasVerdict, filter=st.sampled_from(["length", "refusal"]), passed=st.booleans()),
    st.builds(HasScore, filter=st.just("length"), low=NUMBER, high=st.one_of(st.none(), NUMBER)),
    st.builds(HasTag, tag=st.text(max_size=5)),
    st.builds(ReviewIs, states=st.lists(st.sampled_from(["pending", "accepted", "rejected"]), max_size=2).map(tuple)),
    st.builds(IsOneOf, sample_ids=st.lists(st.sampled_from(["s1", "s2", "s9"]), max_size=3).map(tuple)),
    st.tuples(st.lists(NUMBER, min_size=4, max_size=4), st.lists(NUMBER, min_size=4, max_size=4)).map(
        lambda p: InLasso(map_run="m", xs=tuple(p[0]), ys=tuple(p[1]))
    ),
)
SELECTIONS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(Not, part=inner),
        st.builds(All, parts=st.lists(inner, max_size=3).map(tuple)),
        st.builds(AnyOf, parts=st.lists(inner, max_size=3).map(tuple)),
    ),
    max_leaves=6,
)


@given(selection=SELECTIONS)
def test_round_trip(selection):
    assert from_json(to_json(selection)) == selection
    assert from_url(to_url(selection)) == selection


@pytest.mark.parametrize("text", ["x", "%%%", "eJwDAAAAAAE", "####"])
def test_damaged_links_are_a_sentence(text):
    with pytest.raises(ConfigError):
        from_url(text)


def test_a_lasso_needs_three_corners():
    with pytest.raises(ValueError, match="three corners"):
        InLasso(map_run="m", xs=(0, 1), ys=(0, 1))
