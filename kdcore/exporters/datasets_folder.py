"""A folder that ``datasets.load_dataset(folder)`` reads, with a dataset card."""

from __future__ import annotations

from pathlib import Path

from kdcore.exporters.base import Exporter, Rows, write_card
from kdcore.exporters.parquet import write_splits
from kdcore.records.datasets import Version

_SPLIT_NAMES = {"train": "train", "heldout": "test"}  # as hubs call them


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``data/train.parquet``, ``data/test.parquet`` and ``README.md``."""
    (folder / "data").mkdir()
    files = write_splits(folder, rows, {split: f"data/{name}.parquet" for split, name in _SPLIT_NAMES.items()})
    return [*files, write_card(folder, dataset, rows, {path.stem: f"data/{path.name}" for path in files})]


DATASETS_FOLDER = Exporter("datasets_folder", "A folder for the datasets library and its hub, with a card", write)
