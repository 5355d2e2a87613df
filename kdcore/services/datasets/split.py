"""Which rows are held out: whole groups, the same ones again when others are added."""

from __future__ import annotations

from collections import Counter

from kdcore import ids


def split_by_group(groups: list[str], heldout_share: float, seed: int = 0) -> list[str]:
    """``train`` or ``heldout`` for each row; a group is never torn apart.

    Groups are met in the order of a hash of their name, so new groups hardly move the old ones, and a group is
    held out when that brings the held-out rows nearer to the share. At least one group is held out where there
    are two or more, and never all. Groups that share a row (one made of two seeds) count as one group.
    """
    groups = joined_groups(groups)
    sizes = Counter(groups)
    if len(sizes) < 2 or heldout_share <= 0:
        return ["train"] * len(groups)
    wanted, taken, held = heldout_share * len(groups), 0, set[str]()
    order = sorted(sizes, key=lambda group: ids.stable_hash(seed, group))
    for group in order:
        if len(held) + 1 < len(sizes) and abs(taken + sizes[group] - wanted) < abs(taken - wanted):
            held.add(group)
            taken += sizes[group]
    if not held:
        held = {min(order, key=lambda group: sizes[group])}
    return ["heldout" if group in held else "train" for group in groups]


def joined_groups(groups: list[str]) -> list[str]:
    """One name for all groups that rows tie together: the first of each connected set."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for key in groups:
        first, *others = ids.groups_of(key)
        for other in others:
            parent[max(root(first), root(other))] = min(root(first), root(other))
    return [root(ids.groups_of(key)[0]) for key in groups]
