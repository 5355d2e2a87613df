"""Dataset versions in the formats of other tools."""

from __future__ import annotations

import shutil
from pathlib import Path

from kdcore.errors import ConfigError
from kdcore.exporters import EXPORTERS
from kdcore.services.datasets.chat_text import texts
from kdcore.services.workspace import App
from kdcore.store import datasets


def write(app: App, dataset_id: str, exporter: str, folder: Path | None = None) -> list[Path]:
    """Write a version in one format; returns the files. The folder is made anew."""
    if exporter not in EXPORTERS:
        raise ConfigError(f'unknown format "{exporter}"; known: {", ".join(EXPORTERS)}.')
    dataset = datasets.get(app.store, dataset_id)
    if dataset is None:
        raise ConfigError(f'there is no dataset version "{dataset_id}" in this workspace.')
    target = folder or app.folders.exports / f"{dataset_id}-{exporter}"
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"the folder {folder} is not empty; give a new or an empty one.")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    return EXPORTERS[exporter].write(target, dataset, texts(app, datasets.rows_of(app.store, dataset_id)))


def archive(app: App, dataset_id: str, exporter: str) -> Path:
    """One file to download."""
    files = write(app, dataset_id, exporter)
    root = app.folders.exports / f"{dataset_id}-{exporter}"
    if len(files) == 1:
        return files[0]
    return Path(shutil.make_archive(str(root), "zip", root))
