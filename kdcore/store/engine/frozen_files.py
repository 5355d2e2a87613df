"""The frozen file of a dataset version: one Parquet each, written once, never changed, checked when it is opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa

from kdcore import ids
from kdcore.errors import DataError
from kdcore.jobs import parquet
from kdcore.jobs.run_dir import fsync_dir
from kdcore.records.datasets import FrozenRow
from kdcore.records.decisions import DatasetFrozen
from kdcore.records.rows import FROZEN
from kdcore.settings import Workspace


def frozen_path(folders: Workspace, dataset_id: str) -> Path:
    """Where a version lies."""
    return folders.root / "datasets" / f"{dataset_id}.parquet"


def digest_of(rows: Sequence[FrozenRow]) -> str:
    """The sha256 of a version's rows, in their order: what makes two versions the same."""
    return ids.stable_hash([[row[c] for c in FROZEN] for row in rows], length=64)


def write_frozen(folders: Workspace, dataset_id: str, rows: Sequence[FrozenRow]) -> str:
    """Write a version as a whole; returns the sha256 of the file."""
    path = frozen_path(folders, dataset_id)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    parquet.write(pa.Table.from_pylist([{c: row[c] for c in FROZEN} for row in rows]), temporary)
    with temporary.open("rb") as file:
        os.fsync(file.fileno())
        found = hashlib.file_digest(file, "sha256").hexdigest()
    temporary.replace(path)
    fsync_dir(path.parent)
    return found


def read_frozen(folders: Workspace, version: DatasetFrozen) -> list[FrozenRow]:
    """Rows of a version; raises DataError where its file is gone, or is not as it was frozen."""
    path = frozen_path(folders, version.dataset_id)
    if not path.exists():
        raise DataError(f"the file of dataset version {version.dataset_id} is missing: {path}.")
    changed = DataError(
        f"the file of dataset version {version.dataset_id} ({version.name} v{version.version}) is not as it was "
        f"frozen: {path}; put the file back from a backup, or freeze the selection again."
    )
    if version.file_sha256:
        with path.open("rb") as file:
            if hashlib.file_digest(file, "sha256").hexdigest() != version.file_sha256:
                raise changed
    try:
        rows = cast("list[FrozenRow]", parquet.read(path).to_pylist())
        found = digest_of(rows)
    except (pa.ArrowException, OSError, ValueError, KeyError) as exc:
        raise changed from exc
    if found != version.sha256:
        raise changed
    return rows
