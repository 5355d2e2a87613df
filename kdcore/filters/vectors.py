"""Checks by meaning: rows far from all others, and rows that say the same in other words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from pydantic import Field

from kdcore.configs.base import Config
from kdcore.filters.base import Filter, Rows, no_tick
from kdcore.filters.needs import VECTOR
from kdcore.types import Verdict

REFERENCE = 20_000  # rows that nearness is measured against; of a larger set a fixed choice
CHUNK = 2048
BUCKET = 4000  # rows that are compared pair by pair; a larger set is cut into groups of near rows first


def matrix(rows: Rows) -> np.ndarray:
    """(N, D) float32 of the rows' vectors."""
    return np.stack([row["vector"] for row in rows]) if len(rows) else np.zeros((0, 1), np.float32)


class OutliersConfig(Config):
    """How many rows may stand apart."""

    share: float = Field(default=0.02, gt=0, le=0.5, description="Share of rows, the farthest, that fails")
    neighbours: int = Field(default=8, ge=1, le=100, description="Nearest rows that distance is measured to")


def _outliers(rows: Rows, config: OutliersConfig, tick: Callable[[int], None] = no_tick) -> list[Verdict]:
    """The farthest by mean cosine distance to the nearest rows (Ramaswamy 2000's kNN distance)."""
    if len(rows) < 2 * config.neighbours + 2:
        return [Verdict(True) for _ in rows]
    vectors = matrix(rows)
    chosen = np.sort(np.random.default_rng(0).permutation(len(vectors))[:REFERENCE])
    reference = vectors[chosen]
    own = np.full(len(vectors), -1)
    own[chosen] = np.arange(len(chosen))
    distance = np.empty(len(vectors), np.float32)
    for start in range(0, len(vectors), CHUNK):
        tick(start)
        alike = vectors[start : start + CHUNK] @ reference.T
        places = own[start : start + CHUNK]
        alike[np.flatnonzero(places >= 0), places[places >= 0]] = -1  # a row is no neighbour of itself
        near = np.partition(alike, -config.neighbours, axis=1)[:, -config.neighbours :]
        distance[start : start + CHUNK] = 1 - near.mean(1)
    limit = float(np.quantile(distance, 1 - config.share))
    return [
        Verdict(False, f"far from all others: {d:.2f} to its {config.neighbours} nearest", float(d))
        if d > limit
        else Verdict(True, "", float(d))
        for d in distance
    ]


class SameMeaningConfig(Config):
    """How alike is too alike."""

    threshold: float = Field(default=0.95, gt=0, le=1, description="Cosine at and above which two rows say the same")


def _buckets(vectors: np.ndarray) -> Iterator[np.ndarray]:
    """Row numbers in groups of near rows, so that a large set needs no comparison of all pairs (Abbas 2023)."""
    if len(vectors) <= BUCKET:
        yield np.arange(len(vectors))
        return
    from sklearn.cluster import MiniBatchKMeans

    count = -(-len(vectors) // (BUCKET // 4))
    labels = MiniBatchKMeans(n_clusters=count, n_init=1, random_state=0).fit_predict(vectors)  # pyright: ignore[reportArgumentType]
    order = np.argsort(labels, kind="stable")
    yield from np.split(order, np.flatnonzero(np.diff(labels[order])) + 1)


def _same_meaning(rows: Rows, config: SameMeaningConfig, tick: Callable[[int], None] = no_tick) -> list[Verdict]:
    """The first row of a pair, in the order given, is kept."""
    vectors = matrix(rows)
    best: dict[int, tuple[float, int]] = {}
    through = 0
    for members in _buckets(vectors) if len(rows) else ():
        through += len(members)
        for start in range(0, len(members), CHUNK):
            tick(through - len(members) + start)
            part = members[start : start + CHUNK]
            alike = vectors[part] @ vectors[members[: start + CHUNK]].T
            alike[np.arange(len(part))[:, None] + start <= np.arange(alike.shape[1])[None, :]] = -1
            for place in np.flatnonzero(alike.max(1, initial=-1.0) >= config.threshold):
                nearest = int(alike[place].argmax())
                best[int(part[place])] = (float(alike[place, nearest]), int(members[nearest]))
    return [
        Verdict(
            False,
            f"says the same as sample {rows[best[i][1]]['sample_id']} (cosine {best[i][0]:.2f})",
            best[i][0],
            rows[best[i][1]]["sample_id"],
        )
        if i in best
        else Verdict(True)
        for i in range(len(rows))
    ]


OUTLIERS = Filter(
    "outliers",
    "Far from all other samples",
    OutliersConfig,
    _outliers,
    needs=(VECTOR,),
    by_row=False,
    ticks=True,
)
SAME_MEANING = Filter(
    "same_meaning",
    "Says the same as an earlier sample",
    SameMeaningConfig,
    _same_meaning,
    needs=(VECTOR,),
    by_row=False,
    ticks=True,
)
