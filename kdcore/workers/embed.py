"""Make a map of a project's samples: vectors (cached by content), coordinates, clusters, titles."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.configs.exploration import EmbedConfig
from kdcore.explore.clustering import cluster, parents
from kdcore.explore.embedders import Embedder
from kdcore.explore.projection import project
from kdcore.explore.titles import titles
from kdcore.explore.vector_cache import VectorCache
from kdcore.jobs.parquet import strings
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.workers.base import mounts_of, on_accelerator, run_worker


def work(run: RunDir, reporter: Reporter) -> None:
    """Embed what the cache lacks, then project, cluster and title."""
    config = run.load(EmbedConfig)
    table = pq.read_table(run.path / "input.parquet")
    texts = strings(table["text"])
    with on_accelerator(run, reporter):
        vectors = embed(texts, config, mounts_of(run).cache, reporter)
        reporter.phase("placing the samples on the map")
        flat = project(vectors, config.projection, config.seed)
        reporter.check_stop()
        reporter.phase("grouping the samples")
        labels = cluster(vectors, config.clusters, config.seed, config.algorithm)
        names = titles(texts, labels)
        broader = parents(vectors, labels)
        broad_names = titles(texts, broader[labels]) if len(labels) else {}
    _write(run, "vectors.parquet", vector_table(table["sample_id"], vectors))
    columns: dict[str, Any] = {
        "sample_id": table["sample_id"],
        "x": flat[:, 0],
        "y": flat[:, 1],
        "cluster": labels,
    }
    sizes = np.bincount(labels, minlength=len(names)) if len(labels) else []
    write_json(
        run.path / "clusters.json",
        [
            {
                **{"cluster": key, "title": title, "size": int(sizes[key])},
                **{"parent": int(broader[key]), "parent_title": broad_names[int(broader[key])]},
            }
            for key, title in names.items()
        ],
    )
    _write(run, "placements.parquet", pa.table(columns))


def embed(texts: list[str], config: EmbedConfig, cache_folder: Path, reporter: Reporter) -> np.ndarray:
    """Vectors in the order of ``texts``; only texts the cache has not seen are computed."""
    reporter.phase("loading the embedder")
    reporter.progress(0, len(texts), "texts")
    embedder = Embedder(config.model_path or config.model, config.precision, config.max_tokens)
    cache = VectorCache(cache_folder, config.model, embedder.max_tokens, embedder.precision, embedder.dim)
    vectors, missing = cache.look_up(texts)
    reporter.phase("reading the texts")
    known = len(texts) - len(missing)

    def on_batch(done: int) -> None:
        reporter.check_stop()
        reporter.progress(known + done, len(texts), "texts", cached=known)

    if missing:
        new = embedder.encode([texts[i] for i in missing], config.batch_tokens, on_batch)
        vectors[missing] = new
        cache.add([texts[i] for i in missing], new)
        if embedder.cut:
            reporter.conclude(f"{embedder.cut} texts are longer than can be read: their ends are left out of the map")
    reporter.progress(len(texts), len(texts), "texts", cached=known, dim=embedder.dim)
    return vectors


def vector_table(ids: Any, vectors: np.ndarray) -> pa.Table:
    """``sample_id`` and a fixed-size list of float32."""
    flat = pa.array(vectors.ravel(), type=pa.float32())
    return pa.table({"sample_id": ids, "vector": pa.FixedSizeListArray.from_arrays(flat, vectors.shape[1] or 1)})


def _write(run: RunDir, name: str, table: pa.Table) -> None:
    temporary = run.path / f".{name}.tmp"
    pq.write_table(table, temporary, compression="zstd")
    temporary.replace(run.path / name)


if __name__ == "__main__":
    run_worker(work)
