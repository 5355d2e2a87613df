"""Parquet files as typed calls: read, written as a whole, asked for their columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.records.datasets import EARLIER_COLUMNS

Filters = list[tuple[str, str, Any]]


def read(path: Path, columns: Sequence[str] | None = None, filters: Filters | None = None) -> pa.Table:
    """A table, or some of its columns; ``filters`` are (column, operator, value), all of which hold."""
    wanted: Any = list(columns) if columns is not None else None
    return pq.read_table(path, columns=wanted, filters=cast(Any, filters))  # pyright: ignore[reportUnknownMemberType]


def training_rows(
    path: Path, filters: Filters | None = None, wanted: Sequence[str] | None = None
) -> list[dict[str, Any]]:
    """Rows of a training's ``input.parquet``, of the ``wanted`` columns that it has; three had other names once."""
    there = [name for name in columns_of(path) if wanted is None or EARLIER_COLUMNS.get(name, name) in wanted]
    table = read(path, there, filters)
    return table.rename_columns([EARLIER_COLUMNS.get(name, name) for name in table.column_names]).to_pylist()


def batches(path: Path, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
    """Some columns of a file, a few thousand rows at a time."""
    with pq.ParquetFile(path) as file:
        yield from file.iter_batches(batch_size=2000, columns=list(columns))


def write(table: pa.Table, path: Path) -> None:
    """Write a file that has its name only once it is whole."""
    scratch = path.with_name(f".{path.name}.tmp")
    pq.write_table(table, scratch, compression="zstd")  # pyright: ignore[reportUnknownMemberType]
    scratch.replace(path)


def columns_of(path: Path) -> list[str]:
    """Names of a file's columns."""
    return pq.read_schema(path).names  # pyright: ignore[reportUnknownMemberType]


def strings(column: pa.ChunkedArray[Any]) -> list[str]:
    """A column of texts that has no null."""
    return cast("list[str]", column.to_pylist())
