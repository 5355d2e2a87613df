"""Groups of near vectors: k-means, with k by silhouette when none is asked for."""

from __future__ import annotations

from typing import Any

import numpy as np

SILHOUETTE_SAMPLE = 2000
NEAR_BEST = 0.75
MOST_GROUPS = 150
ROWS_IN_GROUP = 40  # at the finest, in a large set; a small one is cut into at most √N groups


def cluster(vectors: np.ndarray, k: int = 0, seed: int = 0) -> np.ndarray:
    """(N, D) unit vectors → (N,) int32 labels, 0 the largest group. ``k = 0`` chooses by silhouette."""
    n = len(vectors)
    if n < 4:
        return np.zeros(n, dtype=np.int32)
    labels = _fit(vectors, min(k, n), seed) if k else _best(vectors, seed)
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[labels].astype(np.int32)


def _fit(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    kind: Any = KMeans if len(vectors) <= 10_000 else MiniBatchKMeans
    return kind(n_clusters=k, n_init=4, random_state=seed).fit_predict(vectors)


def _best(vectors: np.ndarray, seed: int) -> np.ndarray:
    """The finest grouping whose silhouette is close to the best one, measured on at most SILHOUETTE_SAMPLE rows.

    The best alone is too coarse to read: two broad subjects always beat ten topics by a little.
    """
    from sklearn.metrics import silhouette_score

    most = max(2, min(MOST_GROUPS, max(int(np.sqrt(len(vectors))), len(vectors) // ROWS_IN_GROUP)))
    choices = sorted({round(k) for k in np.geomspace(2, most, num=min(7, most - 1))})
    tried: list[tuple[float, np.ndarray]] = []
    for k in choices:
        labels = _fit(vectors, k, seed)
        sample = min(SILHOUETTE_SAMPLE, len(vectors))
        tried.append((float(silhouette_score(vectors, labels, sample_size=sample, random_state=seed)), labels))
    best = max(score for score, _ in tried)
    return [labels for score, labels in tried if score >= best * NEAR_BEST][-1]
