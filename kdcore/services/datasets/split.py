"""Which rows are held out: whole groups, spread over the topics, the same ones again when others are added."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field

from kdcore import ids

HELD_OUT_NAMES = frozenset(("heldout", "held_out", "test", "testing", "validation", "valid", "val", "dev", "eval"))
TOLERANCE = 0.01  # of the share, above which its distance is said


@dataclass(slots=True)
class Split:
    """``train`` or ``heldout`` for each row, and in sentences what could not be as it was meant."""

    sides: list[str]
    notes: list[str] = field(default_factory=list[str])

    @property
    def share(self) -> float:
        """The share that is held out, 0 to 1."""
        return self.sides.count("heldout") / max(1, len(self.sides))


def split_by_group(
    groups: Sequence[str], heldout_share: float, seed: int = 0, topics: Sequence[str] | None = None
) -> Split:
    """Hold out about a share of the rows; a group is never torn apart.

    Groups that share a row (one made of two seeds) count as one. Each topic of two groups or more stands on both
    sides where the share allows it; groups are met in the order of a hash of their name, so new ones hardly move the
    old. At least one group is held out where there are two or more, and never all.
    """
    named = joined_groups(groups)
    sizes = Counter(named)
    if len(sizes) < 2 or heldout_share <= 0:
        notes = [] if heldout_share <= 0 else ["all rows belong to one group: nothing can be held out"]
        return Split(["train"] * len(named), notes)
    strata = _strata(named, topics or ["" for _ in named])
    order = sorted(sizes, key=lambda group: ids.stable_hash(seed, group))
    held = _first_choice(order, sizes, strata, heldout_share)
    _nearer(order, sizes, strata, held, heldout_share * len(named))
    split = Split(["heldout" if group in held else "train" for group in named])
    split.notes = _notes(split, sizes, strata, held, heldout_share)
    return split


def _strata(named: Sequence[str], topics: Sequence[str]) -> dict[str, str]:
    """Group → the topic that most of its rows have."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for group, topic in zip(named, topics, strict=True):
        counts[group][topic] += 1
    return {group: min(found, key=lambda topic: (-found[topic], topic)) for group, found in counts.items()}


def _first_choice(
    order: Sequence[str], sizes: Counter[str], strata: dict[str, str], heldout_share: float
) -> set[str]:
    """In each topic groups until its share is met; one at least where it has several, never all."""
    held: set[str] = set()
    by_topic: dict[str, list[str]] = defaultdict(list)
    for group in order:
        by_topic[strata[group]].append(group)
    for members in by_topic.values():
        if len(members) < 2:
            continue
        wanted, taken, own = heldout_share * sum(sizes[group] for group in members), 0, set[str]()
        for group in members:
            nearer = abs(taken + sizes[group] - wanted) < abs(taken - wanted)
            if nearer and len(own) + 1 < len(members):
                own.add(group)
                taken += sizes[group]
        held |= own or {min(members, key=lambda group: sizes[group])}
    if not held:  # every topic is one group
        held = {min(order, key=lambda group: (abs(sizes[group] - heldout_share * sizes.total()), sizes[group]))}
    return held


def _nearer(order: Sequence[str], sizes: Counter[str], strata: dict[str, str], held: set[str], wanted: float) -> None:
    """Move single groups over while that brings the whole nearer to the share and leaves each topic on both sides."""
    members = Counter(strata[group] for group in order)
    inside = Counter(strata[group] for group in held)
    several = len(members) > 1 or max(members.values()) > 1
    taken = sum(sizes[group] for group in held)
    for _ in range(len(order)):
        best, gain = "", 0.0
        for group in order:
            step = -sizes[group] if group in held else sizes[group]
            topic = strata[group]
            after = inside[topic] + (-1 if group in held else 1)
            lonely = members[topic] == 1
            both = lonely or (0 < after < members[topic])
            one_left = 0 < len(held) + (-1 if group in held else 1) < len(order)
            if (lonely and several and max(members.values()) > 1) or not both or not one_left:
                continue  # a topic of one group stays where it is learnt
            better = abs(taken - wanted) - abs(taken + step - wanted)
            if better > gain + 1e-9:
                best, gain = group, better
        if not best:
            return
        taken += -sizes[best] if best in held else sizes[best]
        inside[strata[best]] += -1 if best in held else 1
        held.symmetric_difference_update({best})


def _notes(
    split: Split, sizes: Counter[str], strata: dict[str, str], held: set[str], heldout_share: float
) -> list[str]:
    notes: list[str] = []
    if abs(split.share - heldout_share) > TOLERANCE:
        largest = max(sizes, key=lambda group: sizes[group])
        notes.append(
            f"{split.share:.0%} are held out where {heldout_share:.0%} was asked: whole groups allow no nearer, the "
            f'largest ("{largest[:60]}") has {sizes[largest]} of {sizes.total()} rows'
        )
    members = Counter(strata.values())
    inside = Counter(strata[group] for group in held)
    alone = sorted(topic for topic, count in members.items() if topic and count == 1)
    if alone and len(members) > 1:
        where = "only in training" if not any(inside[topic] for topic in alone) else "on one side only"
        notes.append(f"{len(alone)} topics are one group each and stand {where}: {', '.join(alone[:5])}")
    return notes


def by_own_column(own: Sequence[str | None], groups: Sequence[str]) -> Split:
    """The split that a file brought along; rows without one are learnt from, unless their group is held out."""
    named = joined_groups(groups)
    held = {group for group, said in zip(named, own, strict=True) if (said or "").lower() in HELD_OUT_NAMES}
    torn = {
        g for g, said in zip(named, own, strict=True) if g in held and said and said.lower() not in HELD_OUT_NAMES
    }
    split = Split(["heldout" if group in held else "train" for group in named])
    split.notes = ["the split is the one that the files brought along"]
    if torn:
        split.notes.append(
            f"{len(torn)} groups stood on both sides of it and are held out as a whole (such as "
            f'"{min(torn)[:60]}"): a question must not be learnt and measured'
        )
    return split


def joined_groups(groups: Sequence[str]) -> list[str]:
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
