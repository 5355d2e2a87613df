"""Comma-separated values and their kin, by RFC 4180: only the delimiter, the header and the encoding are detected.

Quotes are doubled inside quotes, and nothing else is; a record that breaks this rule is set aside with its number.
Numbers are those of a spreadsheet: the first line of the file is row 1, a cell with line breaks is one row.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdcore.errors import DataError
from kdcore.reading import encodings
from kdcore.reading.found import MAX_FIELD, Found, unique

DELIMITERS = (",", ";", "\t", "|")
NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "vertical bar"}
LOOKED_AT = 400  # records that tell delimiter and header
SAMPLE = 1 << 20  # characters
MAX_REREAD = 50  # quotes that are never closed; after so many the rest is set aside as one
TITLES = 20  # rows in which the header is looked for


@dataclass(frozen=True, slots=True)
class Record:
    """One row; ``problem`` says why its cells can't be trusted, ``raw`` is its text then."""

    place: int
    cells: list[str]
    problem: str = ""
    raw: str = ""


def records(lines: Iterable[str], delimiter: str) -> Iterator[Record]:
    """Every record of a file in order, those that break the rule included; what follows a broken one is read on."""
    csv.field_size_limit(MAX_FIELD * 4)
    source = _Lines(iter(lines))
    place = rereads = 0
    while True:
        place += 1
        source.taken.clear()
        # A reader of its own for each record: after an error the next begins at the next line.
        reader = csv.reader(source, delimiter=delimiter, doublequote=True, strict=True)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as exc:
            raw = "".join(source.taken)
            if "end of data" in str(exc) and len(source.taken) > 1 and rereads < MAX_REREAD:
                rereads += 1
                raw = source.taken[0]
                source.again(source.taken[1:])
            yield Record(place, [], _in_words(str(exc)), raw)
            continue
        yield Record(place, cells)


def _in_words(error: str) -> str:
    if "end of data" in error:
        return "a quotation mark is opened and never closed"
    if "expected after" in error:
        return "a quotation mark inside a cell is not doubled"
    if "field larger" in error:
        return f"a cell has more than {MAX_FIELD * 4} characters"
    return f"it is no row of this table ({error})"


class _Lines:
    """Lines with a memory of those that the present record took, which can be read again."""

    def __init__(self, lines: Iterator[str]) -> None:
        self._lines = lines
        self._ahead: list[str] = []
        self.taken: list[str] = []

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._ahead.pop() if self._ahead else next(self._lines)
        self.taken.append(line)
        return line

    def again(self, lines: list[str]) -> None:
        """Read some lines once more, in their order."""
        self._ahead.extend(reversed(lines))


# ---- what is detected ---------------------------------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Layout:
    """Delimiter, row of the header (0: none) and width; ``doubt`` says what else it could be."""

    delimiter: str
    header_row: int
    width: int
    doubt: str = ""


def detect(
    text: str, suffix: str, delimiter: str = "", header_row: int | None = None, *, whole: bool = True
) -> Layout:
    """How a table is laid out, from its beginning; what is given is taken as it is."""
    first = text.split("\n", 1)[0].strip("\r\ufeff")
    told = first[4:5] if first.lower().startswith("sep=") and len(first) == 5 else ""
    usual = "\t" if suffix == ".tsv" else ","
    candidates = [delimiter or told] if delimiter or told else [usual, *(d for d in DELIMITERS if d != usual)]
    scored = [(_score(text, each, whole), each) for each in candidates]
    (_, _, width, head), chosen = max(scored, key=lambda pair: pair[0][:2])
    best = _score(text, chosen, whole)
    rivals = [d for score, d in scored if d != chosen and score[:2] == best[:2] and score[2] > 1]
    if best[2] < 2 and not delimiter and not told:
        chosen, width, head = usual, 1, _header(_head(text, usual, whole), 1)
    doubt = f"the columns may also be parted by a {NAMES.get(rivals[0], rivals[0])}" if rivals else ""
    return Layout(chosen, head if header_row is None else header_row, width, doubt)


def _head(text: str, delimiter: str, whole: bool) -> list[Record]:
    found: list[Record] = []
    for record in records(io.StringIO(text[:SAMPLE], newline=""), delimiter):
        if len(found) == LOOKED_AT:
            return found
        found.append(record)
    return found if whole and len(text) <= SAMPLE else found[:-1] or found


def _score(text: str, delimiter: str, whole: bool) -> tuple[float, float, int, int]:
    """(rows of one width, evenness of all, that width, header row): larger is likelier to be the delimiter."""
    rows = [r for r in _head(text, delimiter, whole) if r.problem or any(c.strip() for c in r.cells)]
    good = [r for r in rows if not r.problem and r.cells != [f"sep={delimiter}"]]
    widths = Counter(len(r.cells) for r in good)
    width = max((w for w in widths if w > 1), key=lambda w: (widths[w], w), default=1)
    if width == 1 or not rows:
        return (0.0, 0.0, 1, 1)
    stray = sum('"' in cell for r in good for cell in r.cells if _inner_quote(cell, delimiter))
    body = [r for r in good if len(r.cells) > 1]  # titles above a table have one cell
    even = widths[width] / max(1, len(body) + len(rows) - len(good) + stray)
    share = widths[width] / len(rows)
    return (round(even * (share if share > 0.5 else share / 2), 6), share, width, _header(rows, width))


def _inner_quote(cell: str, delimiter: str) -> bool:
    """A cell like ``a;"b``: a quoted cell that another delimiter would begin, cut in two by this one."""
    return any(f'{other}"' in cell for other in DELIMITERS if other != delimiter)


def _header(rows: list[Record], width: int) -> int:
    """The row number of the header; 0 where the first row is a row like any other."""
    for at, record in enumerate(rows[:TITLES]):
        cells = record.cells
        filled = [cell for cell in cells if cell.strip()]
        title = width > 1 and len(filled) == 1 and bool(cells[0].strip())
        if record.problem or len(cells) != width or not filled or title or cells[0].startswith("sep="):
            continue
        body = [r.cells for r in rows[at + 1 :] if not r.problem and len(r.cells) == width]
        return 0 if any(is_one_of(cell, [row[n] for row in body]) for n, cell in enumerate(cells)) else record.place
    return 0


def is_one_of(cell: str, below: list[str]) -> bool:
    """Whether a cell is no name but like those below it: a question above questions, a number above numbers."""
    if len(below) < 2 or not cell.strip():
        return False
    asked = cell.strip().endswith("?") and sum(each.strip().endswith("?") for each in below) > 0.8 * len(below)
    return asked or (_is_number(cell) and all(_is_number(each) for each in below))


def _is_number(cell: str) -> bool:
    return bool(re.fullmatch(r"\s*[-+]?\d+(?:[.,]\d+)*\s*", cell))


# ---- the file -----------------------------------------------------------------------------------------------
def read(
    path: Path, found: Found, *, encoding: str = "", delimiter: str = "", header_row: int | None = None, most: int = 0
) -> None:
    """Read a table into ``found``; at most ``most`` rows where that is not 0."""
    found.kind = "csv"
    with _open(path, found, encoding, partial=bool(most)) as lines:
        try:
            _read(lines, path.suffix.lower(), found, delimiter, header_row, most)
        except UnicodeDecodeError as exc:
            raise DataError(
                f'"{found.name}" is not {found.encoding} text ({exc.reason}); choose another, such as cp1252.'
            ) from exc


def _read(
    lines: io.TextIOWrapper, suffix: str, found: Found, delimiter: str, header_row: int | None, most: int
) -> None:
    beginning = lines.read(SAMPLE)
    if not beginning.strip():
        raise DataError(f'"{found.name}" is empty; choose a file with at least one row.')
    layout = detect(beginning, suffix, delimiter, header_row, whole=len(beginning) < SAMPLE)
    found.delimiter, found.header_row = layout.delimiter, layout.header_row
    if layout.doubt and not delimiter:
        found.guesses.append(layout.doubt)
    lines.seek(0)
    header: list[str] = []
    if not layout.header_row:
        found.columns = header = unique("" for _ in range(layout.width))
        found.guesses.append("the first row is read as a row, not as names of columns")
    table = _Table(found)
    for record in records(_without_mark(lines), layout.delimiter):
        if most and len(found.rows) >= most:
            found.more = True
            break
        if record.place < layout.header_row:
            _title(found, record)
        elif record.place == layout.header_row:
            found.columns = header = unique(record.cells)
            _say_names(found, record.cells)
        elif not table.take(record, header):
            break
    table.finish(header)


def _open(path: Path, found: Found, encoding: str, *, partial: bool) -> io.TextIOWrapper:
    with path.open("rb") as file:
        data = file.read(encodings.SAMPLE * 8 if partial else -1)
        whole = not file.read(1)
    told = encodings.Encoding(encoding) if encoding else encodings.detect(data, whole=whole)
    del data
    encodings.tell(told, found)
    try:
        return path.open(encoding=told.name, newline="")
    except LookupError as exc:
        raise DataError(f'there is no encoding "{told.name}"; try utf-8, cp1252 or utf-16.') from exc


def _without_mark(lines: Iterable[str]) -> Iterator[str]:
    """Lines without a byte order mark before the first."""
    for place, line in enumerate(lines):
        yield line.removeprefix("\ufeff") if place == 0 else line


def _title(found: Found, record: Record) -> None:
    text = " ".join(cell.strip() for cell in record.cells if cell.strip()) or record.raw.strip()
    if text and not text.lower().startswith("sep="):
        found.warn(f'row {record.place} stands above the table and is not read: "{text[:80]}"')


def _say_names(found: Found, cells: list[str]) -> None:
    for cell, name in zip(cells, found.columns, strict=True):
        if cell.strip() and cell != name:
            found.warn(f'two columns are called "{cell.strip()}"; the second is read as "{name}"')


class _Table:
    """Rows of one width. A short one is kept only where other rows leave the same last columns empty too."""

    def __init__(self, found: Found) -> None:
        self._found = found
        self._short: list[tuple[int, Record]] = []  # where it would stand, and the row
        self._empty: set[int] = set()

    def take(self, record: Record, header: list[str]) -> bool:
        found, cells = self._found, record.cells
        if record.problem:
            found.reject(record.place, record.problem, record.raw)
        elif not any(cell.strip() for cell in cells):
            if len(cells) > 1:
                found.reject(record.place, "the row is empty")
        elif len(cells) > len(header):
            found.reject(record.place, f"{len(cells)} cells, the table has {len(header)} columns", cells)
        elif len(cells) < len(header):
            self._short.append((len(found.rows), record))
        else:
            self._empty.update(place for place, cell in enumerate(cells) if not cell)
            return found.add(record.place, dict(zip(header, cells, strict=True)))
        return True

    def finish(self, header: list[str]) -> None:
        """Decide on the short rows now that all are known."""
        found = self._found
        for at, record in reversed(self._short):
            missing = range(len(record.cells), len(header))
            if all(place in self._empty for place in missing):
                cells = [*record.cells, *("" for _ in missing)]
                found.rows.insert(at, dict(zip(header, cells, strict=True)))
                found.places.insert(at, record.place)
                found.warn(f"row {record.place} has {len(record.cells)} of {len(header)} cells; the last are empty")
            else:
                reason = f"{len(record.cells)} cells, the table has {len(header)} columns"
                found.reject(record.place, reason, record.cells)
        found.rejected.sort(key=lambda each: each.row)


def names_of(value: str) -> Any:
    """A delimiter by its sign, its name, or as people type a tab."""
    known = {**{name: sign for sign, name in NAMES.items()}, "\\t": "\t", "TAB": "\t"}
    return known.get(value, value)
