"""Which rows to train on, where the budget is N: ``SELECTORS`` is the whole list. Row numbers out, best first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class VectorPool:
    """What a selector sees: unit vectors (N, D), a score (N) that may be NaN, and the layer of each row (N)."""

    vectors: np.ndarray
    scores: np.ndarray
    layers: np.ndarray


def random(pool: VectorPool, count: int, seed: int) -> np.ndarray:
    """Any rows: what every other way has to beat."""
    return np.random.default_rng(seed).permutation(len(pool.vectors))[:count]


def stratified(pool: VectorPool, count: int, seed: int) -> np.ndarray:
    """As many rows of each layer as the budget allows; what small layers lack goes to the others."""
    order = np.random.default_rng(seed).permutation(len(pool.layers))
    seen: dict[object, int] = {}
    turn = np.empty(len(order), dtype=np.int64)  # a row's place within its layer
    for row in order:
        turn[row] = seen[pool.layers[row]] = seen.get(pool.layers[row], -1) + 1
    return order[np.argsort(turn[order], kind="stable")][:count]


def k_centre(pool: VectorPool, count: int, seed: int) -> np.ndarray:
    """Each next row is the farthest from all chosen ones (Gonzalez 1985; Sener and Savarese 2018).

    The most central row comes first; time grows with N × count.
    """
    vectors = pool.vectors
    chosen = np.empty(min(count, len(vectors)), dtype=np.int64)
    if not len(chosen):
        return chosen
    chosen[0] = int((vectors @ vectors.mean(0)).argmax())
    nearest = vectors @ vectors[chosen[0]]  # cosine to the nearest chosen row
    for place in range(1, len(chosen)):
        nearest[chosen[place - 1]] = np.inf
        chosen[place] = int(nearest.argmin())
        np.maximum(nearest, vectors @ vectors[chosen[place]], out=nearest)
    return chosen


ALIKE = 0.9  # DEITA's threshold on the cosine, Liu 2023 §2.4


def top_diverse(pool: VectorPool, count: int, seed: int) -> np.ndarray:
    """The highest scores first, each row near a chosen one passed over (Liu 2023, DEITA, algorithm 1).

    Rows without a score are never chosen; fewer than ``count`` come back where the rest is too alike.
    """
    chosen: list[int] = []
    kept = np.empty((min(count, len(pool.vectors)), pool.vectors.shape[1]), dtype=np.float32)
    for row in np.argsort(-pool.scores, kind="stable"):
        if len(chosen) >= count or np.isnan(pool.scores[row]):
            break
        if not chosen or (kept[: len(chosen)] @ pool.vectors[row]).max() < ALIKE:
            kept[len(chosen)] = pool.vectors[row]
            chosen.append(int(row))
    return np.asarray(chosen, dtype=np.int64)


SELECTORS: dict[str, Callable[[VectorPool, int, int], np.ndarray]] = {
    "k_centre": k_centre,
    "stratified": stratified,
    "top_diverse": top_diverse,
    "random": random,
}
