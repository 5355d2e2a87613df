"""Runs and what trainings and evaluations have said, as the tables give them."""

from __future__ import annotations

from typing import Any, TypedDict

from kdcore.records.status import Status


class Run(TypedDict):
    """What was started, with its config as it stands in the run folder."""

    run_id: str
    project_id: str
    kind: str
    config: dict[str, Any]
    created: float


class WatchedRun(Run):
    """A run with how it stands now."""

    status: Status


class MapRun(WatchedRun):
    """A map, and whether its points are there to be seen."""

    finished: bool


class NewPoint(TypedDict):
    """A value of a curve as a worker wrote it."""

    attempt: int
    step: int
    split: str
    name: str
    value: float
    time: float


class Point(TypedDict):
    """A value of a curve, of the latest attempt that reached its step."""

    run_id: str
    split: str
    name: str
    step: int
    value: float
    time: float


class StepRow(TypedDict):
    """A row that one step was made of, with its loss in nats."""

    sample_id: str
    slice: int
    loss: float
    question: str | None
    answer: str | None
    topic: str | None


class HardRow(TypedDict):
    """A row with the loss of its first and its last meeting, in nats."""

    sample_id: str
    slice: int
    first: float
    last: float
    times: int
    question: str | None
    topic: str | None


class Said(TypedDict):
    """What a student said to a held-out question at one evaluation; ``reference`` is the frozen answer."""

    sample_id: str
    step: int
    completion: str
    question: str | None
    reference: str | None
    source: str | None


class MeasuredSaid(Said):
    """An answer with each measure of its text."""

    measures: dict[str, float]


class EvalItem(TypedDict):
    """What one candidate said to one held-out question."""

    sample_id: str
    candidate: str
    completion: str
    measures: dict[str, float]
    question: str | None
    reference: str | None
    topic: str | None


class ComparedItem(TypedDict):
    """One held-out question with what every candidate said, by its name."""

    sample_id: str
    question: str | None
    reference: str | None
    topic: str | None
    answers: dict[str, str]
    measures: dict[str, dict[str, float]]


class PairScore(TypedDict):
    """Scores that a reward model gave a better and a worse answer."""

    sample_id: str
    chosen: float
    rejected: float


class Margin(PairScore):
    """Two scores with their difference; below zero the model has the pair wrong."""

    margin: float


class WrongPair(Margin):
    """A pair whose worse answer scored higher."""

    question: str | None
    topic: str | None


class Trust(TypedDict):
    """Shares (0 to 1) of the shown answers of one evaluation that can't be trusted, and why."""

    step: int
    answers: int
    refuses: float
    repeats: float
    cites: float


class QuarantinedLine(TypedDict):
    """A line of a run's files that was set aside, with the reason and its place in bytes."""

    run_id: str
    file: str
    position: int
    reason: str
    line: str


class WaitingDecision(TypedDict):
    """A decision of the log that could not be applied yet."""

    number: int
    kind: str
    reason: str


class Compatibility(TypedDict):
    """One thing of student and teacher that is compared; ``means`` says what follows where they differ."""

    what: str
    student: str
    teacher: str
    same: bool
    means: str


class BatchRow(TypedDict):
    """A row as the model sees it: what it reads, what it is taught, and the worse answers it is ranked against."""

    sample_id: str
    reads: str
    learns: str
    supervised: int
    topk: bool
    undesirable: bool
    worse: list[str]


class PreflightReport(TypedDict, total=False):
    """``preflight.json``: what would happen, before it does. Memory and disk in GB, time in seconds.

    ``teacher_models`` counts rows by the model whose words they bring; ``baseline`` is the untrained student, held
    out.
    """

    rows: int
    heldout: int
    supervised_tokens: int
    shortest: int
    longest: int
    truncated: int
    with_topk: int
    teacher_models: dict[str, int]
    steps: int
    parameters: int
    trainable: int
    memory_gb: float
    free_gb: float
    disk_gb: float
    disk_free_gb: float
    step_s: float
    forecast_s: float
    baseline: dict[str, float]
    fits: list[Compatibility]
    first_batch: list[BatchRow]
    warnings: list[str]
    blocks: list[str]
