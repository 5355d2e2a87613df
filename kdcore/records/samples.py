"""Rows of samples, of their seeds and of what is said about them, as the tables give them.

A field that is None was never told: rows of 0.1.0 lack some, and a row without a review has none of its fields.
"""

from __future__ import annotations

from typing import Any, TypedDict

from kdcore.records.reviews import Review, SampleVerdict
from kdcore.types import Message, SampleStatus


class SampleFields(TypedDict):
    """What every sample has. Counts in tokens, entropy in nats, mass 0 to 1, times in seconds of the clock."""

    sample_id: str
    request_id: str
    run_id: str
    project_id: str
    prompt_version_id: str
    seed_id: str
    n: int
    status: SampleStatus
    reason: str
    question: str
    answer: str
    completion: str
    finish_reason: str
    prompt_tokens: int
    completion_tokens: int
    teacher: str
    entropy: float | None
    captured_mass: float | None
    mean_rank: float | None
    created: float


class NewSample(SampleFields):
    """One row as it goes into the table; ``messages`` and ``extra`` are JSON."""

    rationale: str
    source: str
    topic: str
    difficulty: str
    reader: str
    group_key: str
    messages: str
    parent: str
    extra: str
    terms: str
    role: str


class StoredSample(SampleFields):
    """One row as it lies in the table, with what people decided of it last."""

    rationale: str | None
    source: str | None
    topic: str | None
    difficulty: str | None
    reader: str | None
    group_key: str | None
    parent: str | None
    terms: str | None
    role: str | None
    review: str | None
    edited_question: str | None
    edited_answer: str | None
    note: str | None
    reviewer: str | None


class Sample(StoredSample):
    """A whole sample: ``messages`` are what was sent, ``extra`` what its method carries along."""

    messages: list[Message]
    extra: dict[str, Any]


class OpenSample(Sample):
    """A sample with every ancestor and descendant."""

    lineage: Thread


class Seed(TypedDict):
    """A question or passage as it lies in the table; ``fields`` is JSON."""

    seed_id: str
    project_id: str
    kind: str
    text: str
    source: str
    topic: str
    difficulty: str
    reader: str
    group_key: str
    fields: str
    run_id: str
    created: float


class SeedCount(TypedDict):
    """Seeds of one kind and topic."""

    kind: str
    topic: str | None
    rows: int


class PromptName(TypedDict):
    """Name and number of a prompt version."""

    prompt_version_id: str
    name: str
    version: int


class InVersion(TypedDict):
    """A dataset version that holds a sample, and in which split."""

    dataset_id: str
    name: str
    version: int
    split: str


class SampleLosses(TypedDict):
    """How often a training and slice met a sample, with its first and last loss in nats."""

    run_id: str
    slice: int
    times: int
    first: float
    last: float


class SampleAnswer(TypedDict):
    """What a candidate said to a held-out sample; ``measures`` is JSON."""

    run_id: str
    candidate: str
    completion: str
    measures: str


class Lineage(TypedDict):
    """Every ancestor and descendant of a sample."""

    prompt: PromptName | None
    seed: Seed | None
    datasets: list[InVersion]
    verdicts: list[SampleVerdict]
    reviews: list[Review]
    evaluations: list[SampleAnswer]


class Thread(Lineage):
    """The lineage with the trainings that learnt from the sample, and how they got on with it."""

    losses: list[SampleLosses]
    trainings: list[str]
