"""Flat columns in Parquet, one file a split."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.exporters.base import PROVENANCE, SPLITS, Exporter, Rows, provenance, write_card
from kdcore.exporters.card import Tally
from kdcore.records.datasets import ChatRow, Version

AT_ONCE = 2000  # rows in memory
FLAT = pa.schema(
    [(name, pa.string()) for name in ("question", "answer", "rationale", *PROVENANCE)]
    + [("ai_generated", pa.bool_()), ("human_edited", pa.bool_())]
)


def flat(row: ChatRow) -> dict[str, Any]:
    """Question, answer, rationale, and where the row came from."""
    told = {"question": row["question"], "answer": row["answer"], "rationale": row["rationale"] or ""}
    return told | provenance(row)


def write_splits(
    folder: Path,
    rows: Iterable[ChatRow],
    names: Mapping[str, str],
    of: Callable[[ChatRow], dict[str, Any]] = flat,
    schema: pa.Schema = FLAT,
    at_once: int = AT_ONCE,
) -> list[Path]:
    """One file of each split that has a row, under its name; ``at_once`` rows are made and written together."""
    writers: dict[str, pq.ParquetWriter] = {}
    left = iter(rows)
    with ExitStack() as stack:
        while batch := list(islice(left, at_once)):
            for split, name in names.items():
                part = [of(row) for row in batch if row["split"] == split]
                if part and split not in writers:
                    file = pq.ParquetWriter(folder / name, schema, compression="zstd")
                    writers[split] = stack.enter_context(file)
                if part:
                    writers[split].write_table(pa.Table.from_pylist(part, schema=schema))
    return [folder / name for split, name in names.items() if split in writers]


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``train.parquet``, ``heldout.parquet`` and a card."""
    tally = Tally()
    files = write_splits(folder, tally.count(rows), {split: f"{split}.parquet" for split in SPLITS})
    return [*files, write_card(folder, dataset, tally, {path.stem: path.name for path in files})]


PARQUET = Exporter("parquet", "Tables for pandas, DuckDB or Spark, one a split", write)
