"""Parquet, a batch at a time, with a look at what it says of its size before anything is unpacked."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.errors import DataError
from kdcore.reading.found import MAX_COLUMNS, Found

MAX_ROWS = 5_000_000
MAX_BYTES = 2 * 2**30


def read(path: Path, found: Found, *, most: int = 0) -> None:
    """Read rows into ``found``, numbered from 1."""
    found.kind = "parquet"
    try:
        file = pq.ParquetFile(path)
        meta = file.metadata
        size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if meta.num_columns > MAX_COLUMNS or meta.num_rows > MAX_ROWS or size > MAX_BYTES:
            raise DataError(f'"{found.name}" says it unpacks to {meta.num_rows} rows and {size >> 20} MB; too large.')
        found.columns = list(file.schema_arrow.names)
        place = 0
        for batch in file.iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                place += 1
                if most and len(found.rows) >= most:
                    found.more = True
                    return
                if not found.add(place, row):
                    return
    except (OSError, ValueError, pa.ArrowException) as exc:
        if isinstance(exc, DataError):
            raise
        raise DataError(f'"{found.name}" is not a readable Parquet file: {str(exc)[:120]}.') from exc
