"""What the warm teacher tells of a trial."""

from __future__ import annotations

from typing import Any, TypedDict

from kdcore.types import Message, Request, SampleStatus


class TrialCall(TypedDict):
    """One call of a trial: what was sent, the replies and how each ended."""

    messages: list[Message]
    replies: list[str]
    finish: list[str]


class TrialRow(TypedDict):
    """What a method made of its replies (``types.MethodRow``), with the reply's whole ``text``."""

    status: SampleStatus
    answer: str
    rationale: str
    reason: str
    question: str
    messages: list[Message] | None
    labels: dict[str, str]
    extra: dict[str, Any]
    parent: int | None
    text: str


class TrialTold(TypedDict):
    """What the warm teacher tells of one request."""

    request_id: str
    rows: list[TrialRow]
    calls: list[TrialCall]


class TrialOutcome(TrialTold):
    """What became of one request of a trial."""

    request: Request
