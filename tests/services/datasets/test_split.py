"""A split keeps groups whole."""

from hypothesis import given
from hypothesis import strategies as st

from kdcore.services.datasets.split import by_own_column, split_by_group


@given(groups=st.lists(st.sampled_from("abcdefg"), max_size=60), share=st.floats(0, 0.5), seed=st.integers(0, 5))
def test_split_keeps_groups_whole(groups, share, seed):
    splits = split_by_group(groups, share, seed).sides
    for group in set(groups):
        assert len({s for g, s in zip(groups, splits, strict=True) if g == group}) == 1
    if len(set(groups)) > 1 and share > 0:
        assert 0 < splits.count("heldout") < len(groups)


@given(
    sizes=st.lists(st.tuples(st.sampled_from("abcde"), st.integers(1, 6)), min_size=4, max_size=60),
    share=st.floats(0.05, 0.4),
)
def test_topics_of_two_groups_or_more_stand_on_both_sides(sizes, share):
    groups = [f"g{number}" for number, (_, count) in enumerate(sizes) for _ in range(count)]
    topics = [topic for topic, count in sizes for _ in range(count)]
    sides = split_by_group(groups, share, 0, topics).sides
    for topic in set(topics):
        several = len({g for g, t in zip(groups, topics, strict=True) if t == topic}) > 1
        if several:
            assert {s for s, t in zip(sides, topics, strict=True) if t == topic} == {"train", "heldout"}


def test_the_share_is_met_within_a_point_where_no_group_is_larger():
    groups = [f"g{number}" for number in range(400) for _ in range(number % 3 + 1)]
    topics = [f"t{int(group[1:]) % 7}" for group in groups]
    for share in (0.05, 0.15, 0.3):
        split = split_by_group(groups, share, 1, topics)
        assert abs(split.share - share) <= 0.01
        assert split.notes == []


def test_what_can_not_be_is_said_with_its_numbers():
    split = split_by_group(["big"] * 80 + ["small"] * 20, 0.15)
    assert split.sides.count("heldout") == 20
    assert "20% are held out where 15% was asked" in split.notes[0] and '"big"' in split.notes[0]
    assert "one group" in split_by_group(["one"] * 9, 0.15).notes[0]
    alone = split_by_group(["a1"] * 5 + ["b1", "b2", "b3", "b4"] * 5, 0.2, 0, ["a"] * 5 + ["b"] * 20)
    assert "1 topics are one group each" in alone.notes[-1]


def test_a_split_that_a_file_brought_is_kept_and_torn_groups_are_held_out():
    split = by_own_column(["train", "test", "test", None, "train"], ["a", "b", "c", "d", "c"])
    assert split.sides == ["train", "heldout", "heldout", "train", "heldout"]
    assert "1 groups stood on both sides" in split.notes[1]
