"""What workers write down in a run's journal, one type a kind of record.

A worker builds them, the reporter writes them, ingest reads them back and sets aside, alone, what does not fit. The
names on disk stay: ``kind: sample``, ``sample_id`` and so on are read by scripts too.
"""

from __future__ import annotations

import time
from typing import Annotated, Any, ClassVar, Literal, cast

from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from kdcore.errors import DataError
from kdcore.records.rows import VerdictKey, VerdictKind
from kdcore.types import SampleStatus

Count = Annotated[int, Field(ge=0, le=2**31 - 1)]  # as wide as the column that it goes into
Scalar = Annotated[float, Field(allow_inf_nan=True)]


class JournalRecord(BaseModel):
    """One record. Fields that a later version adds are passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    kind: ClassVar[str]

    def body(self) -> dict[str, Any]:
        """The record as it is written."""
        return {"kind": self.kind, **self.model_dump(mode="json")}


class Usage(BaseModel):
    """What calls of a program cost."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    paid: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class SignalSummary(BaseModel):
    """Means over a reply's tokens: entropy in nats, mass of the top-k, rank of the chosen word from 1."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    entropy: Scalar | None = None
    captured_mass: Scalar | None = None
    mean_rank: Scalar | None = None


class SampleRecord(JournalRecord):
    """One row that a method made for a request; ``copy_number`` and ``of`` place it among the rows of its program."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)
    kind = "sample"
    sample_id: str
    request_id: str
    seed_id: str
    copy_number: int = Field(
        default=0, validation_alias=AliasChoices("copy_number", "copy"), serialization_alias="copy"
    )
    n: Count
    of: int = 1
    question: str
    role: Literal["answer", "judgement"] = "answer"
    source: str = ""
    topic: str = ""
    difficulty: str = ""
    reader: str = ""
    group: str = ""
    messages: list[dict[str, Any]]
    completion: str
    status: SampleStatus
    reason: str = ""
    answer: str
    rationale: str = ""
    parent: str = ""
    extra: dict[str, Any] = Field(default_factory=dict)
    finish_reason: str = ""
    prompt_tokens: Count = 0
    completion_tokens: Count = 0
    time: float
    signal: SignalSummary | None = None
    usage: Usage | None = None


class PaidRecord(JournalRecord):
    """Calls that were paid by a program which gave no row of its own."""

    kind = "paid"
    paid: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class SeedRecord(JournalRecord):
    """One question or passage of a file."""

    kind = "seed"
    seed_kind: Literal["question", "document"]
    text: str
    source: str = ""
    topic: str = ""
    difficulty: str = ""
    reader: str = ""
    group: str = ""
    fields: dict[str, str] = Field(default_factory=dict)


class VerdictRecord(JournalRecord):
    """What a check, a concept, a pick or a teacher that read it says of one sample.

    ``related`` is the sample that a duplicate is of; ``basis`` names the settings that the verdict rests on.
    """

    kind = "verdict"
    sample_id: str
    verdict_kind: VerdictKind = "check"
    filter: str
    passed: bool
    reason: str = ""
    score: Scalar | None = None
    related: str = ""
    basis: str = ""
    time: float

    @model_validator(mode="before")
    @classmethod
    def _kind_was_a_prefix(cls, body: Any) -> Any:
        """Journals of 0.1.0 told the kind by the beginning of the name."""
        fields = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        if "verdict_kind" not in fields and isinstance(fields.get("filter"), str):
            key = VerdictKey.parse(fields["filter"])
            return {**fields, "verdict_kind": key.kind, "filter": key.filter}
        return cast(Any, body)

    @classmethod
    def of(
        cls,
        key: VerdictKey,
        sample_id: str,
        *,
        passed: bool = True,
        reason: str = "",
        score: float | None = None,
        related: str = "",
        basis: str = "",
    ) -> VerdictRecord:
        """A verdict given now."""
        return cls(
            sample_id=sample_id,
            verdict_kind=key.kind,
            filter=key.filter,
            passed=passed,
            reason=reason,
            score=score,
            related=related,
            basis=basis,
            time=time.time(),
        )


class EvalItemRecord(JournalRecord):
    """What one candidate said to one held-out question, and its measures."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)
    kind = "eval_item"
    sample_id: str
    candidate: str = Field(validation_alias=AliasChoices("candidate", "role"), serialization_alias="role")
    completion: str
    measures: dict[str, Scalar]
    time: float


class TrainStepRecord(JournalRecord):
    """Which rows one step was made of: (sample, slice, loss) each."""

    kind = "train_step"
    attempt: Count
    step: Count
    rows: list[tuple[str, int, Scalar]]


class TrainAnswerRecord(JournalRecord):
    """What the student said to a held-out question at one evaluation."""

    kind = "train_answer"
    attempt: Count
    step: Count
    sample_id: str
    completion: str


class TitleRecord(JournalRecord):
    """A teacher's title for one group of a map."""

    kind = "title"
    cluster: int
    title: str
    time: float


RECORDS: dict[str, type[JournalRecord]] = {
    record.kind: record
    for record in (
        SampleRecord,
        PaidRecord,
        SeedRecord,
        VerdictRecord,
        EvalItemRecord,
        TrainStepRecord,
        TrainAnswerRecord,
        TitleRecord,
    )
}


def read_record(body: Any) -> JournalRecord:
    """The record of a journal line's body; raises DataError that says what does not fit."""
    if not isinstance(body, dict):
        raise DataError("the record is no object")
    told = str(cast("dict[str, Any]", body).get("kind"))
    kind = RECORDS.get(told)
    if kind is None:
        raise DataError(f'"{told[:40]}" is no kind of record that this version knows')
    try:
        return kind.model_validate(body)
    except ValidationError as exc:
        first = exc.errors()[0]
        raise DataError(f"{'.'.join(str(part) for part in first['loc']) or kind.kind}: {first['msg']}") from exc
