"""Learn a concept from marked rows and score every row of the map by it; the weights stay in the run folder."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from kdcore.configs.exploration import ConceptConfig
from kdcore.explore.concept import learn
from kdcore.explore.vector_file import VectorFile
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.records.journal import VerdictRecord
from kdcore.workers.base import run_worker

EVERY = 10_000  # rows between two looks at the stop button


def work(run: RunDir, reporter: Reporter) -> None:
    """``input.parquet`` has the marked rows: ``sample_id`` and ``has``."""
    config = run.load(ConceptConfig)
    marked = {row["sample_id"]: row["has"] for row in pq.read_table(run.path / "input.parquet").to_pylist()}
    file = VectorFile(Path(config.vectors))
    marks = np.asarray([{True: 1, False: 0, None: -1}[marked.get(key)] for key in file.ids])
    reporter.phase("learning from the marked rows")
    concept = learn(file.matrix[marks == 1], file.matrix[marks == 0], file.matrix[marks == -1], config.seed)
    write_json(
        run.path / "concept.json",
        {"name": config.name, "weights": concept.weights.tolist(), "bias": concept.bias, "quality": concept.quality},
    )
    reporter.phase("scoring every row")
    scores = concept.score(file.matrix)
    for place, (key, score) in enumerate(zip(file.ids, scores, strict=True)):
        if place % EVERY == 0:
            reporter.check_stop()
            reporter.progress(place, len(scores), "rows")
        reporter.append(VerdictRecord.of(config.key, key, score=round(float(score), 6)))
    told = "" if concept.quality is None else f", {concept.quality:.2f} of 1 on rows left out"
    reporter.progress(len(scores), len(scores), "rows", quality=concept.quality)
    reporter.conclude(f"learnt from {int((marks == 1).sum())} yes and {int((marks == 0).sum())} no{told}")


if __name__ == "__main__":
    run_worker(work)
