"""Rows become one step's tensors: padded answers, and where in them what is learnt and by which term."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdcore.distill.batches.packing import Packing, pack
from kdcore.distill.batches.rows import Row
from kdcore.distill.batches.targets import TEXT, Targets
from kdcore.distill.losses.sparse import PADDING


@dataclass(frozen=True, slots=True)
class SliceTerms:
    """By slice: its weight, the place of its term (or TEXT), whether that needs the teacher, whether it ranks."""

    weights: tuple[float, ...]
    kinds: tuple[int, ...]
    live: tuple[bool, ...]
    ranks: tuple[bool, ...]
    focus: tuple[float, ...] = ()  # share of each answer's tokens that learn, the least certain; () is all

    def focus_of(self, part: int) -> float:
        """The focus of one slice."""
        return self.focus[part] if self.focus else 1.0


@dataclass(frozen=True, slots=True)
class PreferenceGroup:
    """The answers to one question: sequences ``first`` … ``first + count`` of the batch, best first."""

    row: int
    slice: int
    first: int
    count: int
    reference: tuple[float, ...] | None
    undesirable: bool = False  # of a single answer


@dataclass(slots=True)
class PreferenceBatch:
    """The M answer tokens of all groups; sequences are counted over these alone."""

    positions: Tensor  # (M,) flat index b·T + t of the state that predicts each token
    labels: Tensor  # (M,)
    owner: Tensor  # (M,) the sequence that each token belongs to
    groups: tuple[PreferenceGroup, ...]


@dataclass(slots=True)
class Batch:
    """Padded ids (B, T), the same ids packed, and where in them the N supervised positions are."""

    input_ids: Tensor  # (B, T)
    attention_mask: Tensor  # (B, T)
    packing: Packing
    positions: Tensor  # (N,) flat index b·T + t of the hidden state that predicts each supervised token
    targets: Targets
    slices: Tensor  # (N,) which slice each token belongs to
    owner: Tensor  # (N,) which row of the step each token belongs to
    sample_ids: list[str]
    ranked: PreferenceBatch | None = None

    def to(self, device: Any) -> Batch:
        """Every tensor on a device."""
        return _moved(self, device)


def _moved(holder: Any, device: Any) -> Any:
    """A dataclass with its tensors, and those of the dataclasses in it, on a device."""
    changes: dict[str, Any] = {}
    for part in fields(holder):
        value = getattr(holder, part.name)
        if isinstance(value, Tensor):
            changes[part.name] = value.to(device)
        elif isinstance(value, (Targets, PreferenceBatch, Packing)):
            changes[part.name] = _moved(value, device)
    return replace(holder, **changes)


def collate(rows: list[Row], pad_id: int, teaching: SliceTerms) -> Batch:
    """Pad on the right; a row of a ranking slice takes one sequence for each of its answers.

    Token weights are divided by the tokens that carry a loss and multiplied by the share of rows they come from:
    the loss is nats per supervised token, and with a ranking slice beside it the mean over rows of both.
    """
    sequences: list[list[int]] = []
    plain = _Plain()
    ranked = _PreferenceGroups()
    for place, row in enumerate(rows):
        if teaching.ranks[row.slice]:
            ranked.add(place, row, len(sequences))
            sequences += row.answers
        else:
            plain.add(place, row, len(sequences), teaching)
            sequences.append(row.ids)
    width = max(len(ids) for ids in sequences)
    input_ids = torch.full((len(sequences), width), pad_id, dtype=torch.long)
    attention = torch.zeros((len(sequences), width), dtype=torch.long)
    for place, ids in enumerate(sequences):
        input_ids[place, : len(ids)] = torch.tensor(ids)
        attention[place, : len(ids)] = 1
    slices = _joined(plain.slices)
    per_slice = torch.tensor(teaching.weights, dtype=torch.float32)
    share = (len(rows) - len(ranked.groups)) / len(rows)
    return Batch(
        input_ids,
        attention,
        pack(sequences, width),
        _positions(plain.spans, width),
        plain.targets(per_slice[slices] * share / max(1, len(slices))),
        slices,
        _joined(plain.owners),
        [row.sample_id for row in rows],
        ranked.tensors(width) if ranked.groups else None,
    )


class _Plain:
    """The rows that learn token by token."""

    def __init__(self) -> None:
        self.spans: list[tuple[int, int, np.ndarray]] = []  # sequence, prompt length, places in the answer
        self.labels: list[Tensor] = []
        self.slices: list[Tensor] = []
        self.owners: list[Tensor] = []
        self.kinds: list[Tensor] = []
        self.topk: list[tuple[int, np.ndarray | None, np.ndarray | None]] = []
        self.offsets: list[tuple[int, np.ndarray | None]] = []

    def add(self, place: int, row: Row, sequence: int, teaching: SliceTerms) -> None:
        kind, live = teaching.kinds[row.slice], teaching.live[row.slice]
        has = row.topk_ids is not None and kind != TEXT and not live
        places = least_certain(row, teaching.focus_of(row.slice)) if has else np.arange(row.supervised)
        count = len(places)
        ids = np.asarray(row.ids[row.prompt_length :], dtype=np.int64)
        self.spans.append((sequence, row.prompt_length, places))
        self.labels.append(torch.from_numpy(ids[places]))
        self.slices.append(torch.full((count,), row.slice, dtype=torch.long))
        self.owners.append(torch.full((count,), place, dtype=torch.long))
        ids_k, logprobs_k = (row.topk_ids, row.topk_logprobs) if has else (None, None)
        self.topk.append((count, _at(ids_k, places), _at(logprobs_k, places)))
        self.offsets.append((count, _at(row.offsets, places) if has else None))
        kinds = torch.full((count,), kind if has or live else TEXT, dtype=torch.long)
        if (
            has and (stored := self.topk[-1][2]) is not None
        ):  # a place without any word of the teacher's learns the text
            kinds[: len(stored)][torch.from_numpy((stored <= PADDING / 2).all(1))] = TEXT
        self.kinds.append(kinds)

    def targets(self, weights: Tensor) -> Targets:
        k = max((ids.shape[1] for _, ids, _ in self.topk if ids is not None), default=0)
        ids = [_padded(ids, count, k, 0).long() for count, ids, _ in self.topk] if k else []
        logprobs = [_padded(logprobs, count, k, PADDING) for count, _, logprobs in self.topk] if k else []
        return Targets(
            _joined(self.labels),
            weights,
            _joined(self.kinds),
            torch.cat(ids) if k else None,
            torch.cat(logprobs) if k else None,
            self._offsets(),
        )

    def _offsets(self) -> Tensor | None:
        if all(offsets is None for _, offsets in self.offsets):
            return None
        columns = (None if offsets is None else offsets[:, None] for _, offsets in self.offsets)
        counts = (count for count, _ in self.offsets)
        return torch.cat([_padded(column, n, 1, 0.0) for n, column in zip(counts, columns, strict=True)]).squeeze(1)


class _PreferenceGroups:
    """The rows whose answers are put in order."""

    def __init__(self) -> None:
        self.groups: list[PreferenceGroup] = []
        self.spans: list[tuple[int, int, np.ndarray]] = []
        self.labels: list[Tensor] = []
        self.owners: list[Tensor] = []

    def add(self, place: int, row: Row, sequence: int) -> None:
        self.groups.append(
            PreferenceGroup(place, row.slice, len(self.spans), len(row.answers), row.reference, row.undesirable)
        )
        for number, ids in enumerate(row.answers):
            count = max(0, len(ids) - row.prompt_length)
            self.owners.append(torch.full((count,), len(self.spans), dtype=torch.long))
            self.spans.append((sequence + number, row.prompt_length, np.arange(count)))
            self.labels.append(torch.tensor(ids[row.prompt_length :], dtype=torch.long))

    def tensors(self, width: int) -> PreferenceBatch:
        positions = _positions(self.spans, width)
        return PreferenceBatch(positions, _joined(self.labels), _joined(self.owners), tuple(self.groups))


def _positions(spans: list[tuple[int, int, np.ndarray]], width: int) -> Tensor:
    """Flat places of the states that predict each span's tokens: one before the token itself."""
    return _joined([torch.from_numpy(sequence * width + prompt - 1 + places) for sequence, prompt, places in spans])


def least_certain(row: Row, share: float) -> np.ndarray:
    """Places in the answer of that share of its tokens where the teacher's entropy was highest, in order.

    The entropy is that of the stored top-k with the tail as one category; a token without it counts as certain.
    """
    count = row.supervised
    keep = max(1, math.ceil(share * count)) if count else 0
    if keep == count or row.topk_logprobs is None:
        return np.arange(count)
    logprobs = row.topk_logprobs[:count]
    p = np.where(logprobs > PADDING / 2, np.exp(logprobs), 0.0)
    tail = np.clip(1 - p.sum(1), 1e-12, 1)
    entropy = np.zeros(count)
    entropy[: len(p)] = -(p * np.where(p > 0, logprobs, 0.0)).sum(1) - tail * np.log(tail)
    return np.sort(np.argsort(-entropy, kind="stable")[:keep])


def _at(array: np.ndarray | None, places: np.ndarray) -> np.ndarray | None:
    """The rows at some places; those beyond the array have no targets and stay out."""
    return None if array is None else array[places[places < len(array)]]


def _joined(parts: list[Tensor]) -> Tensor:
    return torch.cat(parts) if parts else torch.zeros(0, dtype=torch.long)


def _padded(array: np.ndarray | None, rows: int, k: int, fill: float) -> Tensor:
    out = torch.full((rows, k), fill)
    if array is not None:
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
