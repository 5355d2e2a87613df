"""Dataset versions in the formats of other tools."""

from __future__ import annotations

import json
import re
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, islice
from pathlib import Path
from typing import Any, Literal

from python_calamine import CalamineWorkbook

from kdcore.errors import ConfigError
from kdcore.exporters import EXPORTERS
from kdcore.exporters.base import Exporter
from kdcore.jobs import parquet
from kdcore.records.datasets import ChatRow, Version
from kdcore.records.decisions import Exported
from kdcore.services.datasets.chat_text import texts
from kdcore.services.datasets.chat_tokens import with_tokens
from kdcore.services.workspace import App
from kdcore.store import dataset_rows, datasets

Thoughts = Literal["none", "tags"]  # how a rationale that is no part of the answer is written into it
PREVIEWED, SHOWN = 3, 4000  # rows and letters of a preview
_SHOWN = (".jsonl", ".json", ".csv", ".yaml", ".parquet", ".xlsx")
AT_ONCE, TOKENS_AT_ONCE = 5000, 500  # rows in memory; those with what a teacher said at each token are large
LOOKED_AT = 500  # rows in which a preview looks for some that fit


@dataclass(slots=True)
class Export:
    """What was written: the files, how many rows went in, and how many the format has no place for."""

    form: Exporter
    files: list[Path] = field(default_factory=list[Path])
    rows: int = 0
    left_out: int = 0

    @property
    def said(self) -> str:
        """One sentence on what is left out, or ""."""
        if not self.left_out:
            return ""
        were = "1 row is" if self.left_out == 1 else f"{self.left_out} rows are"
        return f'{were} left out: "{self.form.name}" needs {self.form.needs}.'

    def fitting(self, rows: Iterator[ChatRow]) -> Iterator[ChatRow]:
        """The rows that the format can hold, all counted."""
        for row in rows:
            if self.form.fits(row):
                self.rows += 1
                yield row
            else:
                self.left_out += 1


def write(app: App, dataset_id: str, exporter: str, folder: Path, thoughts: Thoughts = "none") -> Export:
    """Write a version in one format into a new or an empty folder; a write that fails leaves nothing behind.

    Raises ConfigError where the format has nothing to write of this version, such as pairs without a worse answer.
    """
    dataset, form = _asked(app, dataset_id, exporter, thoughts)
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"the folder {folder} is not empty; give a new or an empty one.")
    folder.mkdir(parents=True, exist_ok=True)
    done = Export(form)
    try:
        splits = ("heldout", "rejected", "train") if form.rejected else ("heldout", "train")
        done.files = form.write(folder, dataset, done.fitting(_rows(app, dataset_id, form, thoughts, splits)))
        if not done.rows:
            needed = f'; "{exporter}" needs {form.needs}' if form.needs else ""
            raise ConfigError(f"no row of this version can be written{needed}.")
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    card = folder / "README.md"
    if done.said and card in done.files:
        card.write_text(f"{card.read_text('utf-8')}\n{done.said}\n", encoding="utf-8")
    return done


def _asked(app: App, dataset_id: str, exporter: str, thoughts: Thoughts) -> tuple[Version, Exporter]:
    if exporter not in EXPORTERS:
        raise ConfigError(f'unknown format "{exporter}"; known: {", ".join(EXPORTERS)}.')
    dataset = datasets.get(app.store, dataset_id)
    if dataset is None:
        raise ConfigError(f'there is no dataset version "{dataset_id}" in this workspace.')
    form = EXPORTERS[exporter]
    if form.tokens and thoughts == "tags":
        raise ConfigError(
            f'"{exporter}" holds answers in the very tokens that the teacher wrote, so it has no rationales between '
            "tags; export it without."
        )
    return dataset, form


def _rows(
    app: App, dataset_id: str, form: Exporter, thoughts: Thoughts, splits: Sequence[str], at_once: int = 0
) -> Iterator[ChatRow]:
    """Rows as the format takes them, a batch at a time: a version of any size is written in the same memory."""
    at_once = at_once or (TOKENS_AT_ONCE if form.tokens else AT_ONCE)
    found = dataset_rows.rows_by_batch(app.store, dataset_id, splits, at_once)
    batches: Iterator[list[ChatRow]] = (_thinking(texts(app, batch), thoughts) for batch in found)
    return chain.from_iterable(with_tokens(app, dataset_id, batches) if form.tokens else batches)


def _thinking(rows: list[ChatRow], thoughts: Thoughts) -> list[ChatRow]:
    if thoughts == "tags":
        for row in rows:
            if row["rationale"] and row["rationale"] not in row["completion"]:
                row["completion"] = f"<think>\n{row['rationale']}\n</think>\n\n{row['completion']}"
    return rows


def preview(app: App, dataset_id: str, exporter: str, thoughts: Thoughts = "none") -> dict[str, str]:
    """File → how it begins, of the first rows in one format; those to train on come first.

    Empty where none of the first ``LOOKED_AT`` rows fits.
    """
    dataset, form = _asked(app, dataset_id, exporter, thoughts)
    splits = ("train", "rejected", "heldout") if form.rejected else ("train", "heldout")
    rows = _rows(app, dataset_id, form, thoughts, splits, at_once=10 if form.tokens else 100)
    first = list(islice(Export(form).fitting(islice(rows, LOOKED_AT)), PREVIEWED))
    with tempfile.TemporaryDirectory() as scratch:
        files = form.write(Path(scratch), dataset, first) if first else []
        return {file.name: _beginning(file) for file in files if file.suffix in _SHOWN}


def _beginning(file: Path) -> str:
    if file.suffix == ".parquet":
        found: list[dict[str, Any]] = parquet.read(file).to_pylist()
        return "\n".join(json.dumps(row, ensure_ascii=False) for row in found)[:SHOWN]
    if file.suffix == ".xlsx":
        book = CalamineWorkbook.from_path(str(file))  # pyright: ignore[reportUnknownMemberType]
        cells = book.get_sheet_by_index(0).to_python()
        return "\n".join(json.dumps(row, ensure_ascii=False, default=str) for row in cells)[:SHOWN]
    with file.open(encoding="utf-8-sig") as text:
        return text.read(SHOWN)


def log_export(app: App, what: str, form: str, rows: int, who: str, to: str) -> None:
    """Note in the log of decisions that a version, or a run's student, left: in which form, for whom and where to."""
    version = datasets.get(app.store, what)
    project = version["project_id"] if version is not None else str(app.run_dir(what).config().get("project_id", ""))
    app.decide(Exported(project_id=project, what=what, form=form, rows=rows, who=who, to=to, created=time.time()))


def archive(
    app: App, dataset_id: str, exporter: str, thoughts: Thoughts = "none", who: str = "anonymous"
) -> tuple[Path, str]:
    """One file to download, named after the version, and what it leaves out; the same rows give the same bytes.

    It is made aside and gets its place, a folder for each version, format and choice, once it is whole; that it was
    made for somebody is an event of the log.
    """
    dataset, _ = _asked(app, dataset_id, exporter, thoughts)
    name = re.sub(r"[^\w .-]+", "_", f"{dataset['name']} v{dataset['version']}").strip()
    app.folders.exports.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=app.folders.exports) as scratch:
        root, out = Path(scratch) / "files", Path(scratch) / "out"
        done = write(app, dataset_id, exporter, root, thoughts)
        out.mkdir()
        if len(done.files) == 1:
            file = done.files[0].replace(out / f"{name}{done.files[0].suffix}")
        else:
            file = out / f"{name}, {exporter.replace('_', ' ')}.zip"
            _zip(root, done.files, file)
        place = app.folders.exports / f"{dataset_id}-{exporter}-{thoughts}"
        with app.naming:  # two sessions may prepare the same one
            shutil.rmtree(place, ignore_errors=True)
            out.rename(place)
    log_export(app, dataset_id, exporter, done.rows, who, "download")
    return place / file.name, done.said


def _zip(root: Path, files: Sequence[Path], target: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as zipped:
        for each in sorted(files):
            entry = zipfile.ZipInfo(str(each.relative_to(root)), date_time=(2000, 1, 1, 0, 0, 0))
            entry.compress_type = zipfile.ZIP_DEFLATED
            with zipped.open(entry, "w", force_zip64=True) as inside, each.open("rb") as file:
                shutil.copyfileobj(file, inside)
