"""`make bench-map`: 50,000 vectors placed against umap-learn, then a million placed and grouped.

The vectors are nested groups on the sphere, as sentence embeddings are; KD_BENCH_ROWS makes the large set smaller.
"""

from __future__ import annotations

import os
import resource
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
from sklearn.manifold import trustworthiness

from kdcore.explore.clustering import cluster
from kdcore.explore.projection import project
from tests.bench.report import line, show

ROWS = int(os.environ.get("KD_BENCH_ROWS", "1000000"))
SMALL, DIM, PROBE = 50_000, 384, 4000


def vectors(count: int, seed: int = 0) -> np.ndarray:
    """(count, DIM) unit vectors in 20 fields of 10 topics each."""
    chance = np.random.default_rng(seed)
    fields = chance.standard_normal((20, DIM), dtype=np.float32)
    topics = np.repeat(fields, 10, 0) + 0.8 * chance.standard_normal((200, DIM), dtype=np.float32)
    found = topics[chance.integers(0, 200, count)]
    for start in range(0, count, 100_000):
        part = found[start : start + 100_000]
        part += 1.1 * chance.standard_normal(part.shape, dtype=np.float32)
        part /= np.linalg.norm(part, axis=1, keepdims=True)
    return found


def timed(work: Callable[[], np.ndarray]) -> tuple[np.ndarray, float]:
    """What it returns, and its seconds."""
    started = time.perf_counter()
    found = work()
    return found, time.perf_counter() - started


def by_umap(data: np.ndarray) -> np.ndarray:
    """umap-learn as it comes, by cosine."""
    from umap import UMAP

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(UMAP(metric="cosine").fit_transform(data))


def main() -> None:
    """Time and trustworthiness beside umap-learn; then time and memory at a million."""
    data = vectors(SMALL)
    probe = np.random.default_rng(1).choice(SMALL, PROBE, replace=False)
    flat, ours = timed(lambda: project(data))
    by_umap(data[:2000])  # its compilation is not counted
    theirs_flat, theirs = timed(lambda: by_umap(data))
    trust = [
        float(trustworthiness(data[probe], f[probe], n_neighbors=15, metric="cosine")) for f in (flat, theirs_flat)
    ]
    print(f"{SMALL}: ours {ours:.1f} s, umap-learn {theirs:.1f} s, trustworthiness {trust}", file=sys.stderr)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    large = vectors(ROWS)
    _, placed = timed(lambda: project(large))
    labels, grouped = timed(lambda: cluster(large))
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{ROWS}: placed in {placed:.0f} s, {labels.max() + 1} groups in {grouped:.0f} s", file=sys.stderr)
    print(f"memory {before:.1f} GB before, {memory:.1f} GB at most", file=sys.stderr)
    show(
        [
            line(f"map/{SMALL} vectors placed", ours, theirs, "s", 1.0, lower_is_better=True),
            line("map/trustworthiness", trust[0], trust[1], "0 to 1", 0.95),
            line(f"map/{ROWS} vectors placed and grouped", placed + grouped, None, "s", 600, lower_is_better=True),
            line("map/memory", memory, None, "GB", 6.0, lower_is_better=True),
        ]
    )


if __name__ == "__main__":
    main()
