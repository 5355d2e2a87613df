"""The frozen file of a dataset version: one Parquet each, written once, never changed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.errors import DataError
from kdcore.jobs.run_dir import fsync_dir
from kdcore.settings import Workspace

COLUMNS = ("sample_id", "split", "question", "answer", "rationale", "edited")


def frozen_path(folders: Workspace, dataset_id: str) -> Path:
    """Where a version lies."""
    return folders.root / "datasets" / f"{dataset_id}.parquet"


def write_frozen(folders: Workspace, dataset_id: str, rows: list[dict[str, Any]]) -> Path:
    """Write a version as a whole."""
    path = frozen_path(folders, dataset_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    pq.write_table(pa.Table.from_pylist([{c: row[c] for c in COLUMNS} for row in rows]), temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
    temporary.replace(path)
    fsync_dir(path.parent)
    return path


def read_frozen(folders: Workspace, dataset_id: str) -> list[dict[str, Any]]:
    """Rows of a version; raises DataError where its file is gone."""
    path = frozen_path(folders, dataset_id)
    if not path.exists():
        raise DataError(f"the file of dataset version {dataset_id} is missing: {path}.")
    return pq.read_table(path).to_pylist()
