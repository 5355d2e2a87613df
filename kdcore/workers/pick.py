"""Choose rows of a selection by a selector; journal the chosen ones, best first."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.configs.exploration import PickConfig
from kdcore.explore.selectors import SELECTORS, VectorPool
from kdcore.explore.vector_file import VectorFile
from kdcore.jobs.parquet import strings
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import VerdictRecord
from kdcore.workers.base import run_worker


def work(run: RunDir, reporter: Reporter) -> None:
    """Rows that are not on the map can't be chosen."""
    config = run.load(PickConfig)
    table = pq.read_table(run.path / "input.parquet")
    file = VectorFile(Path(config.vectors))
    found = [(i, vector) for i, key in enumerate(strings(table["sample_id"])) if (vector := file.of(key)) is not None]
    rows = [i for i, _ in found]
    part = table.take(pa.array(rows, pa.int64()))
    scores = np.asarray(part["score"].to_numpy(zero_copy_only=False), dtype=np.float64)
    pool = VectorPool(
        np.stack([vector for _, vector in found]) if found else np.zeros((0, 1), np.float32),
        -scores if config.lowest else scores,
        np.asarray(part["layer"].to_pylist(), dtype=object),
    )
    reporter.phase(f"choosing {config.count} of {len(rows)} samples")
    chosen = SELECTORS[config.selector](pool, config.count, config.seed)
    ids = strings(part["sample_id"])
    for place, row in enumerate(chosen):
        sample_id = ids[int(row)]
        reporter.append(
            VerdictRecord.of(config.key(run.run_id), sample_id, reason=f"place {place + 1}", score=-float(place))
        )
    reporter.progress(len(chosen), config.count, "samples")
    missing = table.num_rows - len(rows)
    if missing:
        reporter.conclude(f"{missing} samples are not on the map; draw it again to have them")


if __name__ == "__main__":
    run_worker(work)
