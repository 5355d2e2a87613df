"""A folder that ``datasets.load_dataset(folder)`` reads, with a dataset card and Croissant metadata."""

from __future__ import annotations

from pathlib import Path

from kdcore.exporters.base import Exporter, Rows, write_card
from kdcore.exporters.card import Tally
from kdcore.exporters.croissant import write_metadata
from kdcore.exporters.parquet import write_splits
from kdcore.records.datasets import Version

_SPLIT_NAMES = {"train": "train", "heldout": "test"}  # as hubs call them


def write(folder: Path, dataset: Version, rows: Rows) -> list[Path]:
    """``data/train.parquet``, ``data/test.parquet``, ``README.md`` and ``croissant.json``."""
    (folder / "data").mkdir()
    tally = Tally()
    names = {split: f"data/{name}.parquet" for split, name in _SPLIT_NAMES.items()}
    files = write_splits(folder, tally.count(rows), names)
    card = write_card(folder, dataset, tally, {path.stem: f"data/{path.name}" for path in files})
    return [*files, card, write_metadata(folder, dataset, tally, files)]


DATASETS_FOLDER = Exporter(
    "datasets_folder", "A folder for the datasets library and its hub, with a card and Croissant metadata", write
)
