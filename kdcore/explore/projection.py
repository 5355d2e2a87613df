"""Vectors to a flat map: ``PROJECTIONS`` names the ways. What is used by itself needs no compilation.

A large set is laid out by a sample of it, the landmarks; every other row is placed among its nearest ones.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kdcore.errors import ConfigError, MissingDependency

LANDMARKS = 3000  # t-SNE of so many takes seconds; it grows faster than linearly
NEAREST = 8  # landmarks that place a row
SHARPNESS = 40.0  # of the weights exp(sharpness · cosine): the nearest landmark counts most
CHUNK = 8192


def project(vectors: np.ndarray, method: str = "auto", seed: int = 0) -> np.ndarray:
    """(N, D) → (N, 2) float32, centred, scaled so that the widest axis spans [-1, 1]. N may be 0, 1 or 2."""
    chosen = method if method != "auto" else ("tsne" if len(vectors) >= 16 else "pca")
    if chosen not in PROJECTIONS:
        raise ConfigError(f'unknown projection "{method}"; known: auto, {", ".join(PROJECTIONS)}.')
    if len(vectors) < 4:
        flat = np.zeros((len(vectors), 2))
        flat[:, 0] = np.arange(len(vectors))
    else:
        flat = PROJECTIONS[chosen](vectors, seed)
    return _to_unit_square(flat).astype(np.float32)


def _to_unit_square(flat: np.ndarray) -> np.ndarray:
    if not len(flat):
        return flat
    centred = flat - (flat.max(0) + flat.min(0)) / 2
    return centred / (np.abs(centred).max() or 1.0)


def _pca(vectors: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    return PCA(n_components=2, random_state=seed).fit_transform(vectors)


def _tsne(vectors: np.ndarray, seed: int) -> np.ndarray:
    if len(vectors) > LANDMARKS:
        return by_landmarks(vectors, _tsne, seed, LANDMARKS)
    from sklearn.manifold import TSNE

    perplexity = max(2.0, min(30.0, (len(vectors) - 1) / 4))
    return TSNE(perplexity=perplexity, init="pca", random_state=seed, metric="cosine").fit_transform(vectors)


def by_landmarks(
    vectors: np.ndarray, method: Callable[[np.ndarray, int], np.ndarray], seed: int, count: int
) -> np.ndarray:
    """Lay out ``count`` rows by ``method``, place the rest at the weighted mean of their nearest laid-out rows.

    ``vectors`` (N, D) of length 1; returns (N, 2). One product of (CHUNK, D) and (D, count) at a time.
    """
    chosen = np.sort(np.random.default_rng(seed).choice(len(vectors), count, replace=False))
    landmarks = vectors[chosen]
    places = method(landmarks, seed)
    flat = np.empty((len(vectors), 2), dtype=np.float32)
    for start in range(0, len(vectors), CHUNK):
        alike = vectors[start : start + CHUNK] @ landmarks.T  # (c, count) cosines
        near = np.argpartition(-alike, NEAREST, axis=1)[:, :NEAREST]
        close = np.take_along_axis(alike, near, 1)
        weights = np.exp(SHARPNESS * (close - close.max(1, keepdims=True)))
        weights /= weights.sum(1, keepdims=True)
        flat[start : start + CHUNK] = (places[near] * weights[..., None]).sum(1)
    flat[chosen] = places
    return flat


def _umap(vectors: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP  # pyright: ignore[reportMissingImports]
    except ImportError as exc:
        raise MissingDependency("the umap projection needs pip install umap-learn; or choose tsne or pca.") from exc
    return UMAP(n_components=2, metric="cosine", random_state=seed).fit_transform(vectors)


PROJECTIONS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}
