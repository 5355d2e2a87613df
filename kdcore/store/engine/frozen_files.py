"""The frozen file of a dataset version: one Parquet each, written once, never changed, checked when it is opened."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa

from kdcore import ids
from kdcore.errors import DataError
from kdcore.jobs import parquet
from kdcore.jobs.run_dir import fsync_dir, write_atomic
from kdcore.records.datasets import FrozenRow
from kdcore.records.decisions import DatasetFrozen
from kdcore.records.rows import FROZEN
from kdcore.settings import Workspace


def frozen_path(folders: Workspace, dataset_id: str) -> Path:
    """Where a version lies."""
    return folders.root / "datasets" / f"{dataset_id}.parquet"


def known_sha256(folders: Workspace, version: DatasetFrozen) -> str:
    """The sha256 of a version's file; of one of 0.1.0, which has none in its record, as it was first opened here.

    Raises DataError where that was noted and can't be read any more.
    """
    noted = frozen_path(folders, version.dataset_id).with_suffix(".sha256")
    if version.file_sha256 or not noted.exists():
        return version.file_sha256
    found = noted.read_bytes().decode("ascii", "replace").strip()
    if not re.fullmatch("[0-9a-f]{64}", found):
        raise DataError(
            f"the note {noted.name}, which says what the file of {version.name} v{version.version} was, is damaged."
        )
    return found


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
    with path.open("rb") as file:
        found_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    known = known_sha256(folders, version)
    if known and found_sha256 != known:
        raise changed
    try:
        rows = cast("list[FrozenRow]", parquet.read(path).to_pylist())
        found = digest_of(rows)
    except (pa.ArrowException, OSError, ValueError, KeyError) as exc:
        raise changed from exc
    if found != version.sha256:
        raise changed
    if not known:  # of 0.1.0: from now on each of its bytes is held, also those that no row shows
        write_atomic(path.with_suffix(".sha256"), found_sha256.encode())
    return rows
