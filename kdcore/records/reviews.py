"""What checks and people say of samples, as the tables give it: verdicts, decisions, tags, saved views."""

from __future__ import annotations

from typing import TypedDict

from kdcore.records.rows import VerdictKind


class SampleVerdict(TypedDict):
    """What holds now of one sample, by one that judges."""

    sample_id: str
    kind: VerdictKind
    filter: str
    passed: bool
    reason: str
    score: float | None
    related: str
    basis: str
    created: float


class VerdictCount(TypedDict):
    """Samples that pass and fail one that judges."""

    kind: VerdictKind
    filter: str
    passed: int
    failed: int


class Review(TypedDict):
    """One decision of a person; ``undoes`` names the event that it takes back."""

    event_id: str
    sample_id: str
    project_id: str
    reviewer: str
    action: str
    question: str | None
    answer: str | None
    note: str | None
    undoes: str | None
    seq: int
    created: float


class AskedReview(Review):
    """A decision with the question of its sample."""

    asked: str | None


class TagBatch(TypedDict):
    """The samples that one click gave or took a tag."""

    batch_id: str
    tag: str
    present: bool
    sample_ids: list[str]


class TagCount(TypedDict):
    """A tag and how many samples have it."""

    tag: str
    rows: int


class SavedView(TypedDict):
    """The address of a view under the name that somebody gave it."""

    name: str
    query: str
    reviewer: str
