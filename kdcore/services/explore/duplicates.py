"""Groups of samples that say the same: opened, one kept by a rule, the others rejected in one undoable step."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from kdcore.configs.selection import EVERYTHING, Selection
from kdcore.errors import ConfigError
from kdcore.filters import DUPLICATES
from kdcore.records.decisions import KEPT, Decision
from kdcore.records.figures import DuplicateMember
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.store import verdicts

Member = DuplicateMember
# which member of a group is kept → the key that puts it first; what people accepted always comes before
RULES: dict[str, tuple[str, Callable[[Member], Any]]] = {
    "longest": ("the longest answer", lambda m: -(m["characters"] or 0)),
    "shortest": ("the shortest answer", lambda m: m["characters"] or 0),
    "first": ("the first one made", lambda m: m["created"]),
    "surest": ("the one the teacher was surest of", lambda m: float("inf") if m["entropy"] is None else m["entropy"]),
}


def connected(pairs: Sequence[tuple[str, str]]) -> list[list[str]]:
    """Sets of ids that pairs tie together, each in order, the largest first."""
    parent: dict[str, str] = {}

    def root(key: str) -> str:
        while parent.setdefault(key, key) != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    for one, other in pairs:
        a, b = root(one), root(other)
        parent[max(a, b)] = min(a, b)
    groups: dict[str, list[str]] = {}
    for key in sorted(parent):
        groups.setdefault(root(key), []).append(key)
    return sorted(groups.values(), key=lambda group: (-len(group), group))


def groups(app: App, project_id: str, selection: Selection = EVERYTHING) -> list[list[Member]]:
    """Groups of two or more that are not rejected, one at least of them to go; the largest first."""
    found = verdicts.duplicate_pairs(app.store, project_id, selection, DUPLICATES)
    sets = connected([(row["sample_id"], row["related"]) for row in found])
    known = {m["sample_id"]: m for m in verdicts.duplicate_members(app.store, [key for one in sets for key in one])}
    alive = [[known[key] for key in one if key in known and known[key]["review"] != Decision.REJECT] for one in sets]
    open_ = [one for one in alive if len(one) > 1 and any(m["review"] not in KEPT for m in order(one, "first")[1:])]
    return sorted(open_, key=lambda one: (-len(one), one[0]["sample_id"]))


def order(group: Sequence[Member], rule: str) -> list[Member]:
    """Members of a group, the one to keep first. Raises ConfigError for an unknown rule."""
    if rule not in RULES:
        raise ConfigError(f'unknown rule "{rule}"; known: {", ".join(RULES)}.')
    key = RULES[rule][1]
    return sorted(group, key=lambda m: (m["review"] not in KEPT, key(m), m["sample_id"]))


def resolve(app: App, project_id: str, chosen: Sequence[Sequence[Member]], rule: str, reviewer: str) -> int:
    """Reject all but the kept one of each group, as one decision that one undo takes back; returns how many.

    What people accepted or edited is never rejected here.
    """
    losers = [m["sample_id"] for group in chosen for m in order(group, rule)[1:] if m["review"] not in KEPT]
    return review_decisions.reject_these(app, project_id, losers, reviewer, "a duplicate")
