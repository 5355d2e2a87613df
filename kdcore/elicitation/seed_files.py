"""Files of seeds and documents → rows, and for every row that can't be used its place and the reason.

Reads untrusted files: call it in a child process with limits (``workers.read_upload`` does).
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdcore.errors import DataError

MAX_ROWS = 250_000
MAX_FIELD = 100_000
MAX_COLUMNS = 200
PASSAGE_CHARACTERS = 1200

Row = dict[str, str]


@dataclass(slots=True)
class FileRows:
    """What a file holds."""

    name: str = ""
    columns: list[str] = field(default_factory=list[str])
    rows: list[Row] = field(default_factory=list[Row])
    rejected: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def add(self, place: int, row: dict[Any, Any]) -> None:
        """Keep a row as texts, or reject it with a reason."""
        if None in row:
            self.reject(place, "more cells than columns")
            return
        clean = {str(key).strip(): _text(value) for key, value in row.items() if str(key).strip()}
        longest = max((len(value) for value in clean.values()), default=0)
        if longest > MAX_FIELD:
            self.reject(place, f"a cell has {longest} characters, at most {MAX_FIELD} are read")
        elif not any(clean.values()):
            self.reject(place, "the row is empty")
        else:
            self.columns += [name for name in clean if name not in self.columns]
            self.rows.append(clean)

    def reject(self, place: int, reason: str) -> None:
        """Note a row that can't be used; ``place`` counts from 1 as people do."""
        self.rejected.append({"row": place, "reason": reason})


def read_file(path: Path, name: str = "") -> FileRows:
    """Read a file by its ending. Raises DataError where nothing of it can be read.

    ``name`` is what the file was called by the user; passages of one file are one group of that name.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise DataError(f'"{path.name}" is of an unknown kind; expected one of {", ".join(sorted(READERS))}.')
    if path.stat().st_size == 0:
        raise DataError(f'"{path.name}" is empty; choose a file with at least one row.')
    result = FileRows(Path(name or path.name).stem)
    for place, row in reader(path, result):
        if len(result.rows) >= MAX_ROWS:
            result.reject(place, f"only the first {MAX_ROWS} rows are read")
            break
        result.add(place, row)
    if len(result.columns) > MAX_COLUMNS:
        raise DataError(f'"{path.name}" has {len(result.columns)} columns, at most {MAX_COLUMNS} are read.')
    if not result.rows:
        reason = result.rejected[0]["reason"] if result.rejected else "no rows"
        raise DataError(f'"{path.name}" has no usable row ({reason}); check the file and try again.')
    return result


def _text(value: Any) -> str:
    if value is None or value != value:  # NaN is the only value that differs from itself
        return ""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text.encode("utf-8", "replace").decode().replace("\x00", "\u2400").strip()


def _decode(path: Path) -> str:
    data = path.read_bytes()
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as exc:
        raise DataError(
            f'"{path.name}" is not UTF-8 text (byte {exc.start}); save it as UTF-8 and choose it again.'
        ) from exc


Reading = Iterator[tuple[int, dict[Any, Any]]]


def _csv(path: Path, result: FileRows) -> Reading:
    text = _decode(path)
    csv.field_size_limit(MAX_FIELD * 10)
    try:
        dialect: Any = csv.Sniffer().sniff(text[:20_000], delimiters=",;\t|")
    except csv.Error:
        dialect = csv.excel_tab if path.suffix.lower() == ".tsv" else csv.excel
    reader = csv.DictReader(io.StringIO(text, newline=""), dialect=dialect)
    try:
        yield from enumerate(reader, start=1)
    except csv.Error as exc:
        result.reject(reader.line_num, f"the rest is not CSV: {exc}")


def _jsonl(path: Path, result: FileRows) -> Reading:
    for place, line in enumerate(_decode(path).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as exc:
            result.reject(place, f"not JSON: {str(exc)[:120]}")
            continue
        if isinstance(value, dict):
            yield place, value
        else:
            result.reject(place, "the line is JSON but no object with named fields")


def _json(path: Path, result: FileRows) -> Reading:
    try:
        value = json.loads(_decode(path))
    except (ValueError, RecursionError) as exc:
        raise DataError(f'"{path.name}" is not JSON: {str(exc)[:120]}.') from exc
    if not isinstance(value, list):
        raise DataError(f'"{path.name}" holds one JSON value; expected a list of objects.')
    for place, item in enumerate(value, start=1):
        if isinstance(item, dict):
            yield place, item
        else:
            result.reject(place, "no object with named fields")


def _parquet(path: Path, result: FileRows) -> Reading:
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(path)
        meta = file.metadata
        size = sum(meta.row_group(i).total_byte_size for i in range(meta.num_row_groups))
        if meta.num_columns > MAX_COLUMNS or meta.num_rows > 5_000_000 or size > 2 * 2**30:
            raise DataError(f'"{path.name}" says it unpacks to {meta.num_rows} rows and {size >> 20} MB; too large.')
        place = 0
        for batch in file.iter_batches(batch_size=1000):
            for row in batch.to_pylist():
                place += 1
                yield place, row
    except (OSError, ValueError) as exc:
        if isinstance(exc, DataError):
            raise
        raise DataError(f'"{path.name}" is not a readable Parquet file: {str(exc)[:120]}.') from exc


def _xlsx(path: Path, result: FileRows) -> Reading:
    import zipfile

    from openpyxl import load_workbook
    from openpyxl.utils.exceptions import InvalidFileException

    try:
        book = load_workbook(path, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True)
        header = [str(cell).strip() if cell is not None else "" for cell in next(rows, ())]
    except (InvalidFileException, zipfile.BadZipFile, KeyError, OSError, ValueError) as exc:
        raise DataError(f'"{path.name}" is not a readable Excel file: {str(exc)[:120]}.') from exc
    for place, cells in enumerate(rows, start=2):
        yield place, dict(zip(header, cells, strict=False))


def _passages(path: Path, result: FileRows) -> Reading:
    """Paragraphs joined up to PASSAGE_CHARACTERS; the file is the group, so that a split keeps it whole."""
    passages: list[str] = []
    for paragraph in _decode(path).replace("\r\n", "\n").split("\n\n"):
        text = paragraph.strip()
        if not text:
            continue
        if passages and len(passages[-1]) + len(text) < PASSAGE_CHARACTERS:
            passages[-1] += "\n\n" + text
        else:
            passages.append(text)
    for place, text in enumerate(passages, start=1):
        yield place, {"text": text, "group": result.name}


READERS: dict[str, Callable[[Path, FileRows], Reading]] = {
    ".csv": _csv,
    ".tsv": _csv,
    ".jsonl": _jsonl,
    ".json": _json,
    ".parquet": _parquet,
    ".xlsx": _xlsx,
    ".txt": _passages,
    ".md": _passages,
}
