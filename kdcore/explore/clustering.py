"""Groups of near vectors, and groups of those groups. ``ALGORITHMS`` names the ways."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from kdcore.errors import ConfigError, MissingDependency

SILHOUETTE_SAMPLE = 2000
NEAR_BEST = 0.75
MAX_GROUPS = 150
FEW_GROUPS = 6  # and fewer need no second level
HDBSCAN_SAMPLE = 20_000
ROWS_IN_GROUP = 40  # at the finest, in a large set; a small one is cut into at most √N groups


def cluster(vectors: np.ndarray, k: int = 0, seed: int = 0, algorithm: str = "kmeans") -> np.ndarray:
    """(N, D) unit vectors → (N,) int32 labels, 0 the largest group, every row in one.

    ``k`` is the number of groups of k-means, 0 chooses by silhouette; the others find their number themselves and
    take ``k`` as the fewest rows that make a group.
    """
    n = len(vectors)
    if algorithm not in ALGORITHMS:
        raise ConfigError(f'unknown way of grouping "{algorithm}"; known: {", ".join(ALGORITHMS)}.')
    if n < 4:
        return np.zeros(n, dtype=np.int32)
    labels = ALGORITHMS[algorithm](vectors, k, seed)
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return rank[labels].astype(np.int32)


def _kmeans(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    return _fit(vectors, min(k, len(vectors)), seed) if k else _best(vectors, seed)


def _hdbscan(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    """Density-based (Campello 2013), on at most SAMPLE rows; rows of no group go to the nearest one."""
    from sklearn.cluster import HDBSCAN
    from sklearn.decomposition import PCA

    flat = PCA(n_components=min(15, *vectors.shape), random_state=seed).fit_transform(
        vectors
    )  # density fails in many
    chosen = np.sort(np.random.default_rng(seed).permutation(len(vectors))[:HDBSCAN_SAMPLE])
    fewest = k or max(4, len(chosen) // 200)
    model: Any = HDBSCAN
    found = model(min_cluster_size=max(2, fewest), min_samples=2, copy=True).fit_predict(flat[chosen])
    labels = np.full(len(vectors), -1)
    labels[chosen] = found
    return _to_nearest(vectors, labels)


def _evoc(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    try:
        from evoc import EVoC  # pyright: ignore[reportMissingImports]
    except ImportError as exc:
        raise MissingDependency("grouping by evoc needs pip install evoc; or choose kmeans or hdbscan.") from exc
    model = EVoC(base_min_cluster_size=k or 5, random_state=seed)
    return _to_nearest(vectors, np.asarray(model.fit_predict(vectors)))


def _to_nearest(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Rows of no group (-1) to the group whose mean is nearest; one group where there is none."""
    _, groups = np.unique(labels[labels >= 0], return_inverse=True)
    if not len(groups):
        return np.zeros(len(vectors), dtype=int)
    labels = labels.copy()
    labels[labels >= 0] = groups
    centres = centres_of(vectors, labels)
    loose = np.flatnonzero(labels < 0)
    labels[loose] = (vectors[loose] @ centres.T).argmax(1)
    return labels


def centres_of(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(groups, D) mean vectors of unit length; rows of label -1 count for none."""
    count = int(labels.max()) + 1
    sums = np.zeros((count, vectors.shape[1]), dtype=np.float64)
    inside = labels >= 0
    np.add.at(sums, labels[inside], vectors[inside])
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)


def parents(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(groups,) int32: for each group the broader one it is in, 0 the one with most rows (Ward 1963, on the means).

    About √groups broad ones; few groups are each their own.
    """
    count = int(labels.max()) + 1 if len(labels) else 0
    if count <= FEW_GROUPS:
        return np.arange(count, dtype=np.int32)
    from sklearn.cluster import AgglomerativeClustering

    broad = max(3, round(np.sqrt(count)))
    found = AgglomerativeClustering(n_clusters=broad, linkage="ward").fit_predict(centres_of(vectors, labels))
    rows = np.bincount(found, weights=np.bincount(labels, minlength=count), minlength=broad)
    rank = np.empty(broad, dtype=np.int32)
    rank[np.argsort(-rows, kind="stable")] = np.arange(broad, dtype=np.int32)
    return rank[found]


def _fit(vectors: np.ndarray, k: int, seed: int) -> np.ndarray:
    from sklearn.cluster import KMeans, MiniBatchKMeans

    kind: Any = KMeans if len(vectors) <= 10_000 else MiniBatchKMeans
    return kind(n_clusters=k, n_init=4, random_state=seed).fit_predict(vectors)


def _best(vectors: np.ndarray, seed: int) -> np.ndarray:
    """The finest grouping whose silhouette is close to the best one, measured on at most SILHOUETTE_SAMPLE rows.

    The best alone is too coarse to read: two broad subjects always beat ten topics by a little.
    """
    from sklearn.metrics import silhouette_score

    most = max(2, min(MAX_GROUPS, max(int(np.sqrt(len(vectors))), len(vectors) // ROWS_IN_GROUP)))
    choices = sorted({round(k) for k in np.geomspace(2, most, num=min(7, most - 1))})
    tried: list[tuple[float, np.ndarray]] = []
    for k in choices:
        labels = _fit(vectors, k, seed)
        sample = min(SILHOUETTE_SAMPLE, len(vectors))
        tried.append((float(silhouette_score(vectors, labels, sample_size=sample, random_state=seed)), labels))
    best = max(score for score, _ in tried)
    return [labels for score, labels in tried if score >= best * NEAR_BEST][-1]


ALGORITHMS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "kmeans": _kmeans,
    "hdbscan": _hdbscan,
    "evoc": _evoc,
}
