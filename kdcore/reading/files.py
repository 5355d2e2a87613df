"""One file, of whatever kind, as rows: what ``workers.read_upload`` calls for each."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from kdcore.errors import DataError
from kdcore.reading import columnar, delimited, documents, json_rows, packed, passages, sheets, xml_files
from kdcore.reading.found import Found

log = logging.getLogger(__name__)
TABLES = (".csv", ".tsv", ".tab", ".psv")
JSONS = (".json", ".jsonl", ".ndjson")
SHEETS = (".xlsx", ".xlsm", ".xls", ".xlsb", ".ods")
PLAIN = (".txt", ".text")
DOCUMENTS = tuple(documents.READERS)
KINDS = (*TABLES, *JSONS, *SHEETS, ".parquet", *DOCUMENTS, ".zip", *packed.OPENERS)


@dataclass(frozen=True, slots=True)
class How:
    """What a person said of a file; what is empty or None is detected. ``size`` and ``overlap`` are in tokens."""

    seed_kind: str = "question"
    encoding: str = ""
    delimiter: str = ""
    header_row: int | None = None
    sheet: str = ""
    size: int = passages.SIZE
    overlap: int = 0
    most: int = 0


def read_files(path: Path, name: str, how: How, scratch: Path) -> Iterator[Found]:
    """Every file of ``path`` (several in a ZIP); one that can't be read is a ``Found`` with its reason."""
    if Path(name).suffix.lower() == ".zip":
        skipped = Found(name, kind="zip")
        for inner, called in packed.members(path, name, scratch, skipped):
            yield read(inner, called, how, scratch)
        if skipped.rejected:
            yield skipped
        return
    yield read(path, name, how, scratch)


def read(path: Path, name: str, how: How, scratch: Path) -> Found:
    """One file; what is wrong with it as a whole is its only rejected line."""
    found = Found(name)
    try:
        if path.stat().st_size == 0:
            raise DataError(f'"{name}" is empty; choose a file with at least one row.')
        plain, inner = packed.unpack(path, name, scratch)
        _read(plain, Path(inner).suffix.lower() or plain.suffix.lower(), found, how)
        if not found.rows and not found.rejected:
            raise DataError(f'"{name}" has no usable row; check the file and try again.')
    except DataError as exc:
        found.reject(0, str(exc))
    except Exception as exc:  # a library met what its makers did not think of: the other files go on
        log.exception("%s can't be read", name)
        found.rows, found.places = [], []
        found.reject(0, f'"{name}" is damaged or of a form that is not known ({type(exc).__name__}).')
    return found


def _read(path: Path, suffix: str, found: Found, how: How) -> None:
    if suffix not in KINDS:
        raise DataError(f'"{found.name}" is of an unknown kind; expected one of {", ".join(KINDS)}.')
    if suffix != path.suffix.lower():
        path = path.rename(path.with_suffix(suffix))
    if suffix in TABLES:
        delimiter = delimited.names_of(how.delimiter)
        delimited.read(
            path, found, encoding=how.encoding, delimiter=delimiter, header_row=how.header_row, most=how.most
        )
    elif suffix in JSONS:
        json_rows.read(path, found, encoding=how.encoding, most=how.most)
    elif suffix in SHEETS:
        sheets.read(path, found, sheet=how.sheet, header_row=how.header_row, most=how.most)
    elif suffix == ".parquet":
        columnar.read(path, found, most=how.most)
    elif suffix == ".xml" and how.seed_kind != "document":
        _records(path, found, how)
    elif suffix in PLAIN and how.seed_kind != "document":
        _lines(path, found, how)
    else:
        _passages(path, found, how)


def _lines(path: Path, found: Found, how: How) -> None:
    """A question a line."""
    found.kind, found.columns = "txt", ["text"]
    for place, line in enumerate(documents.lines_of(path, found, how.encoding), start=1):
        if line.strip() and not found.add(place, {"text": line.strip()}):
            return


def _records(path: Path, found: Found, how: How) -> None:
    found.kind = "xml"
    for place, row in xml_files.rows(path, found):
        if not found.add(place, row):
            return
        found.columns += [column for column in row if column not in found.columns]
    if not found.rows:
        raise DataError(f'"{found.name}" has no repeated records; import it as a document.')


def _passages(path: Path, found: Found, how: How) -> None:
    blocks = documents.read(path, found, how.encoding)
    found.columns = ["text", "heading", "page", "offset", "group"]
    stem = Path(found.name).stem
    for place, each in enumerate(passages.cut(blocks, how.size, how.overlap), start=1):
        row = {
            "text": each.text,
            "heading": each.heading,
            "page": each.page or "",
            "offset": each.offset,
            "group": stem,
        }
        if not found.add(place, row):
            return
