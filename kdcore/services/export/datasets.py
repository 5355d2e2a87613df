"""Dataset versions in the formats of other tools."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import Literal

from kdcore.errors import ConfigError
from kdcore.exporters import EXPORTERS
from kdcore.records.datasets import ChatRow, Version
from kdcore.services.datasets.chat_text import texts
from kdcore.services.workspace import App
from kdcore.store import datasets

Thoughts = Literal["none", "tags"]  # how a rationale that is no part of the answer is written into it
PREVIEWED = 3


def write(
    app: App, dataset_id: str, exporter: str, folder: Path | None = None, thoughts: Thoughts = "none"
) -> list[Path]:
    """Write a version in one format; returns the files. The folder is made anew.

    Raises ConfigError where the format has nothing to write of this version, such as pairs without a worse answer.
    """
    dataset, rows = _rows(app, dataset_id, exporter, thoughts)
    target = folder or app.folders.exports / f"{dataset_id}-{exporter}"
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"the folder {folder} is not empty; give a new or an empty one.")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    files = EXPORTERS[exporter].write(target, dataset, rows)
    if not [file for file in files if file.name not in ("README.md", "dataset_info.json")]:
        shutil.rmtree(target, ignore_errors=True)
        raise ConfigError(
            f'no row of this version has what "{exporter}" needs: worse answers come from a feedback method, or from '
            "editing answers on the Review page."
        )
    return files


def _rows(app: App, dataset_id: str, exporter: str, thoughts: Thoughts) -> tuple[Version, list[ChatRow]]:
    if exporter not in EXPORTERS:
        raise ConfigError(f'unknown format "{exporter}"; known: {", ".join(EXPORTERS)}.')
    dataset = datasets.get(app.store, dataset_id)
    if dataset is None:
        raise ConfigError(f'there is no dataset version "{dataset_id}" in this workspace.')
    rows = texts(app, datasets.rows_of(app.store, dataset_id, rejected=EXPORTERS[exporter].rejected))
    if thoughts == "tags":
        for row in rows:
            if row["rationale"] and row["rationale"] not in row["completion"]:
                row["completion"] = f"<think>\n{row['rationale']}\n</think>\n\n{row['completion']}"
    return dataset, rows


def preview(app: App, dataset_id: str, exporter: str, thoughts: Thoughts = "none") -> dict[str, str]:
    """File → how it begins, of the first rows in one format."""
    dataset, rows = _rows(app, dataset_id, exporter, thoughts)
    train = [row for row in rows if row["split"] != "heldout"]
    with tempfile.TemporaryDirectory() as scratch:
        files = EXPORTERS[exporter].write(Path(scratch), dataset, train[:PREVIEWED] or rows[:PREVIEWED])
        texts_of = {file.name: file for file in files if file.suffix in (".jsonl", ".json", ".csv")}
        return {name: file.read_text("utf-8-sig")[:4000] for name, file in texts_of.items()}


def archive(app: App, dataset_id: str, exporter: str, thoughts: Thoughts = "none") -> Path:
    """One file to download, named after the version; the same rows give the same bytes."""
    files = write(app, dataset_id, exporter, thoughts=thoughts)
    root = app.folders.exports / f"{dataset_id}-{exporter}"
    dataset = datasets.get(app.store, dataset_id)
    name = re.sub(r"[^\w .-]+", "_", f"{dataset['name']} v{dataset['version']}" if dataset else dataset_id).strip()
    if len(files) == 1:
        named = root / f"{name}{files[0].suffix}"
        return files[0].replace(named)
    packed = app.folders.exports / f"{name}, {exporter.replace('_', ' ')}.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for each in sorted(files):
            entry = zipfile.ZipInfo(str(each.relative_to(root)), date_time=(2000, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, each.read_bytes())
    return packed
