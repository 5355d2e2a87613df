"""Dataset versions, their rows, and what a training is given of them."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class Candidate(TypedDict):
    """A sample that may enter a version, with the text that people settled on."""

    sample_id: str
    question: str
    answer: str
    rationale: str | None
    group_key: str
    edited: bool
    topic: str | None
    own_split: str | None


class FrozenRow(TypedDict):
    """One row as a version keeps it. ``edited``: the text is another than the teacher's."""

    sample_id: str
    split: str
    question: str
    answer: str
    rationale: str
    edited: bool


class NewRow(FrozenRow):
    """A row that is being frozen, with the group that stays on one side of the split."""

    group_key: str


class Version(TypedDict):
    """One dataset version; ``selection`` is JSON, ``config`` the share held out, the seed and a note."""

    dataset_id: str
    project_id: str
    name: str
    version: int
    selection: str
    config: dict[str, Any]
    sha256: str
    row_count: int
    created: float
    file_sha256: str


class CountedVersion(Version):
    """A version with the rows of each split, and those that people edited."""

    train: int
    heldout: int
    rejected: int
    edited: int


class VersionRow(TypedDict):
    """A row of a version with where it came from; ``asked`` and ``given`` are the teacher's own words.

    ``passage`` is the text that a row was made from, ``licence`` what the file that it came with says of it.
    """

    dataset_id: str
    sample_id: str
    split: str
    question: str
    answer: str
    rationale: str
    edited: bool
    run_id: str
    seed_id: str
    topic: str | None
    group_key: str
    source: str | None
    messages: str
    prompt_version_id: str
    teacher: str
    asked: str
    given: str
    completion: str
    extra: str | None
    terms: str | None
    reviewer: str | None
    passage: str | None
    licence: str | None


class ChatRow(VersionRow):
    """A row with the chat to learn; ``rejected_answers`` are worse answers to it, best first."""

    rejected_answers: list[str]
    tokens: NotRequired[Tokens | None]


class Source(TypedDict):
    """A teacher and its terms (``id@version``), with the rows it wrote."""

    teacher: str | None
    terms: str | None
    rows: int


class Provenance(Source):
    """A source with the prompt version and method."""

    prompt: str | None
    method: str | None


class Change(TypedDict):
    """What became of a row from one version to another: added, dropped or edited."""

    sample_id: str
    change: str
    question: str
    old_answer: str | None
    new_answer: str | None


class TopKRow(TypedDict):
    """What a teacher said of one answer: ``k`` likely words at each place, flat, and tail words if drawn.

    ``topk_ids`` and ``topk_logprobs`` are (T * k,), log-probs in nats; ``teacher_model`` names the model.
    """

    sample_id: str
    token_ids: list[int]
    k: int
    topk_ids: list[int]
    topk_logprobs: list[float]
    tail_ids: NotRequired[list[int] | None]
    tail_logprobs: NotRequired[list[float] | None]
    teacher_model: NotRequired[str]


class Tokens(TypedDict):
    """A row in the teacher's token ids: its prompt, and the whole chat as its text is read, with its top-k."""

    vocabulary: int
    prompt_ids: list[int]
    chat_ids: list[int]
    topk: TopKRow


class StoredTopK(TopKRow):
    """A stored row with the entropy of each place (nats) and the mass outside the top-k."""

    entropy: list[float]
    tail_mass: list[float]


# columns of input.parquet as 0.1.0 and 0.2.0 wrote them
EARLIER_COLUMNS = {"rivals": "rejected_answers", "bad": "undesirable", "said_by": "teacher_model"}


class TrainingRow(TypedDict):
    """One row of ``input.parquet``; ``messages`` is JSON, ``undesirable`` marks an answer to become less likely.

    ``messages`` are what the student is shown, ``asked`` what the teacher was; files of 0.1.0 have no ``asked``.
    A row of text only has None for the teacher's tokens and what it said of them.
    """

    sample_id: str
    slice: int
    split: str
    messages: str
    completion: str
    token_ids: list[int] | None
    k: int | None
    topk_ids: list[int] | None
    topk_logprobs: list[float] | None
    tail_ids: list[int] | None
    tail_logprobs: list[float] | None
    teacher_model: str | None
    rejected_answers: list[str] | None
    undesirable: bool
    text: str
    answer: str
    asked: NotRequired[str]
