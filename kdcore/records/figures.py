"""Figures over many samples, and what pages show of them."""

from __future__ import annotations

from typing import TypedDict

from kdcore.records.samples import Sample
from kdcore.types import SampleStatus


class Facet(TypedDict):
    """A value of a column and the samples that have it."""

    value: str | None
    rows: int


class Bar(TypedDict):
    """Samples from ``low`` to ``high`` of a number."""

    low: float
    high: float
    rows: int


class LossReason(TypedDict):
    """Why some rows of a run were lost."""

    status: str
    reason: str
    rows: int


class CoverageCell(TypedDict):
    """Rows and usable rows of one topic and one other value."""

    topic: str | None
    value: str | None
    rows: int
    usable: int


class Grown(TypedDict):
    """A row in the order it was made, with the text of the seed it grew from."""

    sample_id: str
    parent: str | None
    question: str
    status: SampleStatus
    reason: str
    operator: str | None
    seed: str


class FirstAnswer(TypedDict):
    """The first usable answer to a seed."""

    seed_id: str
    question: str
    answer: str


class PartShare(TypedDict):
    """How one run did in one topic or group; ``score`` is the mean of a check's, None without one."""

    part: str
    run_id: str
    rows: int
    usable: int
    score: float | None


class DuplicatePair(TypedDict):
    """A sample and the earlier one that it is the same as."""

    sample_id: str
    related: str


class DuplicateMember(TypedDict):
    """What the choice of the kept one goes by."""

    sample_id: str
    created: float
    entropy: float | None
    review: str
    characters: int


class View(TypedDict):
    """One page of a selection with its counts."""

    count: int
    total: int
    rows: list[Sample]
