"""Flat columns in Parquet, one file a split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.exporters.base import SPLITS, Exporter, Rows, provenance, write_card
from kdcore.records.datasets import ChatRow, Version


def flat(row: ChatRow) -> dict[str, Any]:
    """Question, answer, rationale, and where the row came from."""
    told = {"question": row["question"], "answer": row["answer"], "rationale": row["rationale"] or ""}
    return told | provenance(row)


def write_splits(folder: Path, rows: Rows, names: dict[str, str]) -> list[Path]:
    """One file of each split that has a row, under its name."""
    files: list[Path] = []
    for split, name in names.items():
        part = [flat(row) for row in rows if row["split"] == split]
        if part:
            files.append(folder / name)
            pq.write_table(pa.Table.from_pylist(part), files[-1], compression="zstd")
    return files


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.parquet``, ``heldout.parquet`` and a card."""
    files = write_splits(folder, rows, {split: f"{split}.parquet" for split in SPLITS})
    return [*files, write_card(folder, dataset, rows, {path.stem: path.name for path in files})]


PARQUET = Exporter("parquet", "Tables for pandas, DuckDB or Spark, one a split", write)
