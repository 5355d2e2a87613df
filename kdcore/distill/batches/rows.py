"""Rows of a dataset version become token ids, a supervised mask and, where stored, top-k targets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np

from kdcore.distill.losses.sparse import PADDING
from kdcore.jobs import parquet
from kdcore.records.datasets import TrainingRow

PROBE = "Dose: 5 mg/kg, §12(3) — naïve ✓\n  two spaces"  # what tells tokenizers of like vocabularies apart

MIN_TAIL = 1e-9  # mass of a tail that rounding has emptied


@dataclass(slots=True)
class Row:
    """One training row: ``ids`` = prompt + completion; only the completion is supervised.

    ``rejected`` are other answers to the same question, each as prompt + completion, best first and all worse than
    the row's own; an ``undesirable`` row's answer, its only one, is to become less likely. ``reference`` has the
    untrained student's log-prob of each answer, in nats, the own one first.
    """

    sample_id: str
    slice: int
    prompt_length: int
    ids: list[int]
    truncated: bool
    topk_ids: np.ndarray | None  # (T completion, K)
    topk_logprobs: np.ndarray | None
    rejected: list[list[int]] = field(default_factory=list[list[int]])
    reference: tuple[float, ...] | None = None
    undesirable: bool = False
    offsets: np.ndarray | None = None  # (T completion,) of the loss, where words were drawn from the tail

    @property
    def answers(self) -> list[list[int]]:
        """Every answer, best first, each as prompt + completion."""
        return [self.ids, *self.rejected]

    @property
    def supervised(self) -> int:
        """Tokens that carry a loss."""
        return len(self.ids) - self.prompt_length


def read_rows(path: Path, split: str) -> list[TrainingRow]:
    """Rows of ``input.parquet`` in one split."""
    return cast("list[TrainingRow]", parquet.training_rows(path, [("split", "=", split)]))


def without_token_ids(rows: Sequence[TrainingRow]) -> list[TrainingRow]:
    """Rows as plain text: for a model whose tokenizer is not the teacher's."""
    return [as_text(row) for row in rows]


def of_text(sample_id: str, messages: str, completion: str) -> TrainingRow:
    """A row that no version holds: a chat (JSON) and what is said to it."""
    return {
        "sample_id": sample_id,
        "slice": 0,
        "split": "train",
        "messages": messages,
        "completion": completion,
        "token_ids": None,
        "k": None,
        "topk_ids": None,
        "topk_logprobs": None,
        "tail_ids": None,
        "tail_logprobs": None,
        "teacher_model": None,
        "rejected_answers": None,
        "undesirable": False,
        "text": "",
        "answer": completion,
    }


def as_text(row: TrainingRow) -> TrainingRow:
    """One row without tokens and what was said of them."""
    return {
        **row,
        "token_ids": None,
        "k": None,
        "topk_ids": None,
        "topk_logprobs": None,
        "tail_ids": None,
        "tail_logprobs": None,
    }


def same_tokenizer(one: Any, other: Any) -> bool:
    """Whether two tokenizers give the same ids: equal vocabularies and an equal encoding of a probe."""
    return one.get_vocab() == other.get_vocab() and one(PROBE)["input_ids"] == other(PROBE)["input_ids"]


def encode(
    rows: Sequence[TrainingRow], tokenizer: Any, max_length: int, sampled: frozenset[int] = frozenset()
) -> list[Row]:
    """Tokenise. A row keeps the teacher's own token ids where it has them, so that top-k lines up by id.

    Rows of the slices in ``sampled`` take the words that were drawn from the tail beside their top-k.
    """
    return [_encode_one(row, tokenizer, max_length, sampled=row["slice"] in sampled) for row in rows]


def _encode_one(row: TrainingRow, tokenizer: Any, max_length: int, *, sampled: bool) -> Row:
    prompt = tokenizer.apply_chat_template(
        json.loads(row["messages"]), add_generation_prompt=True, tokenize=True, return_dict=False
    )
    topk_ids = topk_logprobs = offsets = None
    if row["token_ids"]:
        completion = list(row["token_ids"])
        if row["k"]:
            topk_ids = np.asarray(row["topk_ids"], dtype=np.int64).reshape(-1, row["k"])
            topk_logprobs = np.asarray(row["topk_logprobs"], dtype=np.float32).reshape(-1, row["k"])
            if sampled and row.get("tail_ids"):
                topk_ids, topk_logprobs, offsets = _with_sampled_tail(row, topk_ids, topk_logprobs)
    else:
        completion = _words(row["completion"], tokenizer)
    ids = (prompt + completion)[:max_length]
    kept = max(0, len(ids) - len(prompt))
    return Row(
        sample_id=row["sample_id"],
        slice=row["slice"],
        prompt_length=min(len(prompt), len(ids)),
        ids=ids,
        truncated=len(prompt) + len(completion) > max_length,
        topk_ids=None if topk_ids is None else topk_ids[:kept],
        topk_logprobs=None if topk_logprobs is None else topk_logprobs[:kept],
        offsets=None if offsets is None else offsets[:kept],
        undesirable=bool(row.get("undesirable")),
        rejected=[(prompt + _words(text, tokenizer))[:max_length] for text in row.get("rejected_answers") or []],
    )


def _with_sampled_tail(row: TrainingRow, ids: np.ndarray, logprobs: np.ndarray) -> tuple[np.ndarray, ...]:
    """Ids and log-weights (T, K + m), each drawn word once with its draws' share of the tail, and the offsets (T,).

    With them the divergence over the K + m columns is ``sparse.sampled_forward_kl``.
    """
    sampled = np.asarray(row["tail_ids"], dtype=np.int64).reshape(len(ids), -1)
    order = np.argsort(sampled, axis=1, kind="stable")
    sampled = np.take_along_axis(sampled, order, 1)
    own = np.take_along_axis(np.asarray(row["tail_logprobs"], dtype=np.float32).reshape(sampled.shape), order, 1)
    first = np.diff(sampled, axis=1, prepend=-1) != 0
    counts = (sampled[:, :, None] == sampled[:, None, :]).sum(2)  # (T, m)
    tail = np.clip(1 - np.exp(logprobs).sum(1, keepdims=True), MIN_TAIL, 1)
    shares = np.where(first, counts * tail / sampled.shape[1], 0.0)
    weights = np.log(shares, where=first, out=np.full(shares.shape, PADDING))
    offsets = (shares * (own - weights)).sum(1)
    return np.hstack([ids, sampled]), np.hstack([logprobs, weights]).astype(np.float32), offsets


def _words(text: str, tokenizer: Any) -> list[int]:
    """An answer's token ids with the end mark."""
    return [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
