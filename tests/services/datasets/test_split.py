"""A split keeps groups whole."""

from hypothesis import given
from hypothesis import strategies as st

from kdcore.services.datasets.split import split_by_group


@given(groups=st.lists(st.sampled_from("abcdefg"), max_size=60), share=st.floats(0, 0.5), seed=st.integers(0, 5))
def test_split_keeps_groups_whole(groups, share, seed):
    splits = split_by_group(groups, share, seed)
    for group in set(groups):
        assert len({s for g, s in zip(groups, splits, strict=True) if g == group}) == 1
    if len(set(groups)) > 1 and share > 0:
        assert 0 < splits.count("heldout") < len(groups)
