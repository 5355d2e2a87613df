"""Rows of a dataset version become token ids, a supervised mask and, where stored, top-k targets."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import Tensor

from kdcore.distill.losses.sparse import PADDING
from kdcore.distill.objective import TEXT, Targets


@dataclass(slots=True)
class Row:
    """One training row: ``ids`` = prompt + completion; only the completion is supervised."""

    sample_id: str
    slice: int
    prompt_length: int
    ids: list[int]
    truncated: bool
    topk_ids: np.ndarray | None  # (T completion, K)
    topk_logprobs: np.ndarray | None

    @property
    def supervised(self) -> int:
        """Tokens that carry a loss."""
        return len(self.ids) - self.prompt_length


def read_rows(path: Path, split: str) -> list[dict[str, Any]]:
    """Rows of ``input.parquet`` in one split."""
    return pq.read_table(path, filters=[("split", "=", split)]).to_pylist()


def without_token_ids(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows as plain text: for a model whose tokenizer is not the teacher's."""
    return [{**row, "token_ids": None, "k": None, "topk_ids": None, "topk_logprobs": None} for row in rows]


def same_tokenizer(one: Any, other: Any) -> bool:
    """Whether two tokenizers give the same ids: equal vocabularies and an equal encoding of a probe."""
    probe = "Dose: 5 mg/kg, §12(3) — naïve ✓\n  two spaces"
    return one.get_vocab() == other.get_vocab() and one(probe)["input_ids"] == other(probe)["input_ids"]


def encode(rows: list[dict[str, Any]], tokenizer: Any, max_length: int) -> list[Row]:
    """Tokenise. A row keeps the teacher's own token ids where it has them, so that top-k lines up by id."""
    return [_encode_one(row, tokenizer, max_length) for row in rows]


def _encode_one(row: dict[str, Any], tokenizer: Any, max_length: int) -> Row:
    prompt = tokenizer.apply_chat_template(
        json.loads(row["messages"]), add_generation_prompt=True, tokenize=True, return_dict=False
    )
    topk_ids = topk_logprobs = None
    if row["token_ids"]:
        completion = list(row["token_ids"])
        if row["k"]:
            topk_ids = np.asarray(row["topk_ids"], dtype=np.int64).reshape(-1, row["k"])
            topk_logprobs = np.asarray(row["topk_logprobs"], dtype=np.float32).reshape(-1, row["k"])
    else:
        completion = tokenizer(row["completion"], add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
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
    )


@dataclass(frozen=True, slots=True)
class Teaching:
    """By slice: its weight, the place of its term (or TEXT), and whether that needs the teacher itself."""

    weights: tuple[float, ...]
    kinds: tuple[int, ...]
    live: tuple[bool, ...]


@dataclass(slots=True)
class Batch:
    """Padded ids (B, T) and where in them the supervised positions are."""

    input_ids: Tensor  # (B, T)
    attention_mask: Tensor  # (B, T)
    positions: Tensor  # (N,) flat index b·T + t of the hidden state that predicts each supervised token
    targets: Targets
    slices: Tensor  # (N,) which slice each token belongs to
    sample_ids: list[str]

    def to(self, device: Any) -> Batch:
        """Move every tensor."""
        t = self.targets

        def move(x: Tensor | None) -> Any:
            return None if x is None else x.to(device)

        targets = Targets(move(t.labels), move(t.weights), move(t.kinds), move(t.topk_ids), move(t.topk_logprobs))
        return Batch(
            move(self.input_ids),
            move(self.attention_mask),
            move(self.positions),
            targets,
            move(self.slices),
            self.sample_ids,
        )


def collate(rows: list[Row], pad_id: int, teaching: Teaching) -> Batch:
    """Pad on the right.

    Token weights are divided by the batch's supervised tokens, so the loss is nats per supervised token.
    """
    width = max(len(row.ids) for row in rows)
    input_ids = torch.full((len(rows), width), pad_id, dtype=torch.long)
    attention = torch.zeros((len(rows), width), dtype=torch.long)
    positions, labels, slices, kinds = [], [], [], []
    k = max((row.topk_ids.shape[1] for row in rows if row.topk_ids is not None), default=0)
    ids_k, logprobs_k = [], []
    for b, row in enumerate(rows):
        input_ids[b, : len(row.ids)] = torch.tensor(row.ids)
        attention[b, : len(row.ids)] = 1
        count = row.supervised
        first = b * width + row.prompt_length - 1
        positions.append(torch.arange(first, first + count))
        labels.append(torch.tensor(row.ids[row.prompt_length :], dtype=torch.long))
        slices.append(torch.full((count,), row.slice, dtype=torch.long))
        kind, live = teaching.kinds[row.slice], teaching.live[row.slice]
        has = row.topk_ids is not None and row.topk_logprobs is not None and kind != TEXT and not live
        kinds.append(torch.full((count,), kind if has or live else TEXT, dtype=torch.long))
        if k:
            ids_k.append(
                _padded(row.topk_ids, count, k, 0).long() if has else torch.zeros(count, k, dtype=torch.long)
            )
            logprobs_k.append(
                _padded(row.topk_logprobs, count, k, PADDING) if has else torch.full((count, k), PADDING)
            )
    slice_ids = torch.cat(slices)
    per_slice = torch.tensor(teaching.weights, dtype=torch.float32)
    token_weights = per_slice[slice_ids] / max(1, len(slice_ids))
    targets = Targets(
        torch.cat(labels),
        token_weights,
        torch.cat(kinds),
        torch.cat(ids_k) if k else None,
        torch.cat(logprobs_k) if k else None,
    )
    return Batch(input_ids, attention, torch.cat(positions), targets, slice_ids, [row.sample_id for row in rows])


def _padded(array: np.ndarray | None, rows: int, k: int, fill: float) -> Tensor:
    assert array is not None
    out = torch.full((rows, k), fill)
    out[: len(array), : array.shape[1]] = torch.from_numpy(np.ascontiguousarray(array)).float()
    return out


def batches(rows: list[Row], batch_size: int, seed: int, epoch: int) -> Iterator[list[Row]]:
    """Shuffled batches of rows of like length: shuffle, sort within windows, shuffle the batches.

    Depends only on (seed, epoch), so a resumed run meets the same batches in the same order.
    """
    random = np.random.default_rng([seed, epoch])
    order = random.permutation(len(rows))
    window = batch_size * 16
    grouped: list[list[Row]] = []
    for start in range(0, len(order), window):
        part = sorted(order[start : start + window], key=lambda i: len(rows[i].ids))
        grouped += [[rows[i] for i in part[at : at + batch_size]] for at in range(0, len(part), batch_size)]
    for place in random.permutation(len(grouped)):
        yield grouped[place]
