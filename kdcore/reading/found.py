"""What a file holds: rows as they stand there, and a line for each that can't be used."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

MAX_ROWS = 250_000
MAX_FIELD = 1_000_000
MAX_COLUMNS = 400
MAX_TOLD = 1000  # rejected rows and warnings that are kept with their text
TEXT_SHOWN = 300

Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that can't be used: its number as the user's own program shows it, why, and how it begins."""

    row: int
    reason: str
    text: str = ""


@dataclass(slots=True)
class Found:
    """One file, or one sheet of it. ``places`` are the numbers of ``rows`` in the user's own program.

    ``header_row`` is 0 where the file has no header; ``guesses`` says in sentences what was not certain.
    """

    name: str
    kind: str = ""  # csv, json, xlsx, …
    encoding: str = ""
    delimiter: str = ""
    header_row: int = 0
    sheet: str = ""
    sheets: list[str] = field(default_factory=list[str])
    columns: list[str] = field(default_factory=list[str])
    rows: list[Row] = field(default_factory=list[Row])
    places: list[int] = field(default_factory=list[int])
    rejected: list[Rejected] = field(default_factory=list[Rejected])
    rejected_count: int = 0
    warnings: list[str] = field(default_factory=list[str])
    guesses: list[str] = field(default_factory=list[str])
    more: bool = False  # only the beginning was read

    def reject(self, row: int, reason: str, text: Any = "") -> None:
        """Note a row that can't be used."""
        self.rejected_count += 1
        if len(self.rejected) < MAX_TOLD:
            shown = text if isinstance(text, str) else json.dumps(text, ensure_ascii=False, default=str)
            self.rejected.append(Rejected(row, reason, clean(shown)[:TEXT_SHOWN]))

    def warn(self, sentence: str) -> None:
        """Say something that changed nothing but matters; each sentence once."""
        if sentence not in self.warnings and len(self.warnings) < MAX_TOLD:
            self.warnings.append(sentence)

    def add(self, place: int, row: Row) -> bool:
        """Keep a row, or reject it; False once as many are read as may be."""
        if len(self.rows) >= MAX_ROWS:
            self.reject(place, f"only the first {MAX_ROWS} rows are read; split the file")
            return False
        longest = max((len(value) for value in row.values() if isinstance(value, str)), default=0)
        if longest > MAX_FIELD:
            self.reject(place, f"a cell has {longest} characters, at most {MAX_FIELD} are read")
        elif not any(is_there(value) for value in row.values()):
            self.reject(place, "the row is empty")
        else:
            self.rows.append(row)
            self.places.append(place)
        return True

    def summary(self) -> dict[str, object]:
        """All but the rows, as JSON."""
        told = asdict(self)
        del told["rows"], told["places"]
        return told


def is_there(value: Any) -> bool:
    """Whether a cell holds anything but space."""
    return bool(value.strip()) if isinstance(value, str) else value is not None and value == value


def clean(text: str) -> str:
    """Text that can be stored: half characters and NUL, which no column holds, as signs that show them."""
    return text.encode("utf-8", "replace").decode().replace("\x00", "\u2400")


def as_text(value: Any) -> str:
    """A value as a person would write it into a cell: dates as ISO, whole numbers without a point, lists as JSON."""
    if isinstance(value, str):
        return clean(value)
    if value is None or value != value:  # NaN is the only value that differs from itself
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime):
        midnight = value.time() == time(0)
        return value.date().isoformat() if midnight and value.tzinfo is None else _clock(value.isoformat(" "))
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return _clock(value.isoformat())
    if isinstance(value, int | Decimal | timedelta):
        return str(value)
    if isinstance(value, bytes):
        try:
            return clean(value.decode())
        except UnicodeDecodeError:
            return value.hex()
    return clean(json.dumps(value, ensure_ascii=False, default=as_text))


def _clock(text: str) -> str:
    """Seconds are left out where they are none: 14:30, not 14:30:00."""
    return text[:-3] if text.endswith(":00") and text.count(":") == 2 and "+" not in text else text


def unique(names: Iterable[str]) -> list[str]:
    """Column names, each once: a second ``name`` is ``name (2)``, one without a name ``column 3``."""
    taken: set[str] = set()
    result: list[str] = []
    for place, name in enumerate(names, start=1):
        base = name if name.strip() else f"column {place}"
        candidate, number = base, 1
        while candidate in taken:
            number += 1
            candidate = f"{base} ({number})"
        taken.add(candidate)
        result.append(candidate)
    return result
