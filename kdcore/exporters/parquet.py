"""One Parquet file with flat columns."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.exporters.base import Exporter, Rows, provenance
from kdcore.records.datasets import Version


def table(rows: Rows) -> pa.Table:
    """Question, answer, rationale, split, and where each row came from."""
    return pa.Table.from_pylist(
        [
            {
                "question": r["question"],
                "answer": r["answer"],
                "rationale": r["rationale"],
                "split": r["split"],
            }
            | provenance(r)
            for r in rows
        ]
    )


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``dataset.parquet``."""
    path = folder / "dataset.parquet"
    pq.write_table(table(rows), path, compression="zstd")
    return [path]


PARQUET = Exporter("parquet", "One table for pandas, DuckDB or Spark", write)
