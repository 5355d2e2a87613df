"""The top-k of several teachers for the same answer made one: their mean, or that of the surest (pure arrays)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np

from kdcore.records.datasets import TopKRow

Fusing = Literal["one", "mean", "surest"]


def fuse(found: Sequence[TopKRow], how: Fusing) -> TopKRow:
    """One stored row from those of several teachers; all must have its tokens, others are left out.

    ``mean`` averages probabilities (BabyLlama, arXiv 2308.02019): a word outside a teacher's top-k counts as 0 there
    and its mass stays in the tail. ``surest`` takes the teacher to whom the answer is likeliest (FuseLLM, arXiv
    2401.10491, MinCE). The widest k is kept.
    """
    first, *others = found
    alike = [first, *(row for row in others if row["token_ids"] == first["token_ids"] and row["k"])]
    if how == "one" or len(alike) < 2 or not first["k"]:
        return first
    if how == "surest":
        return min(alike, key=surprise)
    return _mean(alike)


def surprise(row: TopKRow) -> float:
    """Nats a token of the answer under one teacher; a word outside its top-k counts as its least likely one."""
    ids, logprobs = _arrays(row)
    tokens = np.asarray(row["token_ids"])[: len(ids), None]
    same = ids == tokens
    own = np.where(same.any(1), (logprobs * same).sum(1), logprobs.min(1))
    return float(-own.mean())


def _arrays(row: TopKRow) -> tuple[np.ndarray, np.ndarray]:
    shape = (-1, row["k"])
    logprobs = np.asarray(row["topk_logprobs"], dtype=np.float64).reshape(shape)
    return np.asarray(row["topk_ids"], dtype=np.int64).reshape(shape), logprobs


def _mean(rows: Sequence[TopKRow]) -> TopKRow:
    read = [_arrays(row) for row in rows]
    k = max(row["k"] for row in rows)
    ids: list[int] = []
    logprobs: list[float] = []
    for at in range(min(len(each) for each, _ in read)):
        mass: dict[int, float] = {}
        for words, logs in read:
            for word, p in zip(words[at].tolist(), np.exp(logs[at]).tolist(), strict=True):
                mass[word] = mass.get(word, 0.0) + p / len(read)
        best = sorted(mass.items(), key=lambda item: (-item[1], item[0]))[:k]
        ids += [word for word, _ in best]
        logprobs += np.log([max(p, 1e-12) for _, p in best]).tolist()
    by = " and ".join(sorted({name for row in rows if (name := row.get("teacher_model"))}))
    return {
        **rows[0],
        "teacher_model": by,
        "k": k,
        "topk_ids": ids,
        "topk_logprobs": logprobs,
        "tail_ids": None,
        "tail_logprobs": None,
    }
