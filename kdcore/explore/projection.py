"""Vectors to a flat map: ``PROJECTIONS`` names the ways. Small sets use what needs no compilation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from kdcore.errors import ConfigError, MissingDependency

TSNE_LIMIT = 3000


def project(vectors: np.ndarray, method: str = "auto", seed: int = 0) -> np.ndarray:
    """(N, D) → (N, 2) float32, centred, scaled so that the widest axis spans [-1, 1]. N may be 0, 1 or 2."""
    chosen = method if method != "auto" else ("tsne" if 16 <= len(vectors) <= TSNE_LIMIT else "pca")
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
    from sklearn.manifold import TSNE

    perplexity = max(2.0, min(30.0, (len(vectors) - 1) / 4))
    return TSNE(perplexity=perplexity, init="pca", random_state=seed, metric="cosine").fit_transform(vectors)


def _umap(vectors: np.ndarray, seed: int) -> np.ndarray:
    try:
        from umap import UMAP  # pyright: ignore[reportMissingImports]
    except ImportError as exc:
        raise MissingDependency("the umap projection needs pip install umap-learn; or choose tsne or pca.") from exc
    return UMAP(n_components=2, metric="cosine", random_state=seed).fit_transform(vectors)


PROJECTIONS: dict[str, Callable[[np.ndarray, int], np.ndarray]] = {"pca": _pca, "tsne": _tsne, "umap": _umap}
