"""Records that both sides share: plain data, no behaviour, no imports of ours."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

Role = Literal["system", "user", "assistant"]
SampleStatus = Literal["parsed", "screened", "unparsed", "refused", "truncated", "failed"]
RunState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
TERMINAL_STATES: frozenset[str] = frozenset({"paused", "done", "failed", "cancelled"})


class Message(TypedDict):
    """One turn of a chat."""

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Request:
    """One seed under one prompt version. A method may ask the teacher several times to answer it.

    ``messages`` are the rendered template; ``repeat`` tells a deliberate repetition of a run from the first one,
    ``again`` a later pass of one run over the same seed.
    """

    request_id: str
    seed_id: str
    prompt_version_id: str
    messages: list[Message]
    variables: dict[str, str]
    repeat: int = 0
    again: int = 0


@dataclass(frozen=True, slots=True)
class TopK:
    """The teacher's most likely next tokens at each position of one reply.

    ``ids`` and ``logprobs`` are (T, K), natural log, at temperature 1; a row's missing mass
    ``1 - sum(exp(logprobs))`` belongs to all other tokens (the tail).
    """

    ids: list[list[int]]
    logprobs: list[list[float]]


@dataclass(frozen=True, slots=True)
class Reply:
    """One answer of a teacher. ``token_ids`` includes the end token where the engine tells it.

    ``logprobs`` are those of ``token_ids``, in nats, where a given answer was scored. ``tail`` has words that were
    drawn from those outside the top-k, as often as the teacher would say them; a word may come twice.
    """

    call_id: str
    n: int
    text: str
    finish_reason: str
    prompt_tokens: int = 0
    completion_tokens: int = 0
    token_ids: list[int] = field(default_factory=list[int])
    prompt_token_ids: list[int] = field(default_factory=list[int])
    topk: TopK | None = None
    logprobs: list[float] = field(default_factory=list[float])
    error: str | None = None
    tail: TopK | None = None
    reasoning: str = ""  # the model's own thoughts, where they are told apart from its answer


@dataclass(frozen=True, slots=True)
class MethodRow:
    """One row that a method made of its replies: a status that is never an exception, a reason for every loss.

    ``question`` is set where the method wrote it; ``messages`` is the chat to learn where that is not the chat
    that was sent; ``labels`` replace the seed's topic, difficulty, reader or group; ``parent`` is the place, in
    the same list, of the row that this one grew from; ``reply`` is the reply whose text is the whole answer, so
    that its token probabilities belong to the row; ``extra`` is JSON-able and free.
    """

    status: SampleStatus
    answer: str = ""
    rationale: str = ""
    reason: str = ""
    question: str = ""
    messages: list[Message] | None = None
    labels: dict[str, str] = field(default_factory=dict[str, str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    parent: int | None = None
    reply: Reply | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one filter says of one sample; ``related`` is the sample that the reason is about."""

    passed: bool
    reason: str = ""
    score: float | None = None
    related: str = ""


JsonDict = dict[str, Any]
