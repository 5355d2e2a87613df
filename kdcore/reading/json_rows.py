"""JSON in every sane shape: lines, an array, objects one after the other, wrapped under a key, keyed by id, SQuAD.

A value that is broken is set aside with its line, and reading goes on at the next line. Keys that stand twice in an
object are both kept.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

from kdcore.reading import encodings
from kdcore.reading.found import Found, Row

_BETWEEN = re.compile(r"[\s,\ufeff\x1e]*")  # JSON text sequences begin a record with \x1e
_SPLITS = {"train", "training", "validation", "valid", "val", "dev", "test", "eval", "heldout", "held_out"}
_ROWS = {"rows", "data", "items", "records", "examples", "samples", "results", "entries", *_SPLITS}
_MAX_NESTED = 3  # wrappers around the rows


def read(path: Path, found: Found, *, encoding: str = "", most: int = 0) -> None:
    """Read every row into ``found``; at most ``most`` where that is not 0."""
    found.kind = "json"
    values = list(_values(encodings.text_of(path, found, encoding), found))
    rows = list(_unwrapped(values[0][1], values[0][0], found)) if len(values) == 1 else values
    for place, value in rows:
        row = _row(value)
        if row is None:
            found.reject(place, "it is no object with named fields", value)
            continue
        if most and len(found.rows) >= most:
            found.more = True
            return
        if not found.add(place, row):
            return
        found.columns += [name for name in row if name not in found.columns]


def _values(text: str, found: Found) -> Iterator[tuple[int, Any]]:
    """Each JSON value with the line that it begins at."""
    doubled: list[str] = []

    def object_of(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for key, value in pairs:
            name, number = key, 1
            while name in result:
                number += 1
                name = f"{key} ({number})"
            if number > 1:
                doubled.append(key)
            result[name] = value
        return result

    decoder = json.JSONDecoder(object_pairs_hook=object_of)
    at, line, counted = _BETWEEN.match(text).end(), 1, 0  # pyright: ignore[reportOptionalMemberAccess]
    while at < len(text):
        line += text.count("\n", counted, at)
        counted = at
        try:
            value, end = decoder.raw_decode(text, at)
        except (ValueError, RecursionError) as exc:
            end = text.find("\n", at)
            end = len(text) if end < 0 else end
            found.reject(line, f"it is no JSON: {_words(exc)}", text[at:end])
        else:
            if doubled:
                names = ", ".join(dict.fromkeys(doubled))
                found.warn(f"line {line}: the key {names} stands twice in one object; both are kept")
                doubled.clear()
            yield line, value
        at = _BETWEEN.match(text, end).end()  # pyright: ignore[reportOptionalMemberAccess]


def _words(error: Exception) -> str:
    return "it is nested too deeply" if isinstance(error, RecursionError) else str(error).split(": line ")[0]


def _row(value: Any) -> Row | None:
    if isinstance(value, dict):
        return cast("Row", value)
    return {"text": value} if isinstance(value, str) and value.strip() else None


# ---- where the rows are in one value --------------------------------------------------------------------------
def _unwrapped(value: Any, line: int, found: Found, depth: int = 0) -> Iterator[tuple[int, Any]]:
    """The rows of a single value, numbered from 1."""
    if isinstance(value, list):
        items = cast("list[Any]", value)
        if any(_is_squad(item) for item in items):
            yield from enumerate(_squad(items), start=1)
        else:
            yield from enumerate(items, start=1)
        return
    if not isinstance(value, dict):
        yield line, value
        return
    fields = cast("dict[str, Any]", value)
    lists = {key: each for key, each in fields.items() if _is_rows(each)}
    if len(lists) > 1 and {key.lower() for key in lists} <= _SPLITS:
        rows = [
            {"split": key, **row} if isinstance(row, dict) else row for key, each in lists.items() for row in each
        ]
        yield from enumerate(rows, start=1)
    elif lists and depth < _MAX_NESTED and not _is_one_row(fields):
        key = max(lists, key=lambda name: len(lists[name]))
        if others := [name for name in fields if name != key]:
            found.warn(f'only the rows under "{key}" are read, not {", ".join(others[:8])}')
        yield from _unwrapped(fields[key], line, found, depth + 1)
    elif (key := _wrapper(fields)) and depth < _MAX_NESTED and not _is_one_row(fields):
        found.warn(f'only the rows under "{key}" are read, not {", ".join(n for n in list(fields)[:9] if n != key)}')
        yield from _unwrapped(fields[key], line, found, depth + 1)
    elif len(fields) == 1 and depth < _MAX_NESTED and isinstance(inner := next(iter(fields.values())), dict):
        yield from _unwrapped(inner, line, found, depth + 1)
    elif len(fields) > 1 and all(isinstance(each, dict) for each in fields.values()):
        for place, (key, row) in enumerate(fields.items(), start=1):
            yield place, {"id": key, **row}
    elif _are_columns(fields):
        length = len(next(iter(fields.values())))
        for place in range(length):
            yield place + 1, {name: column[place] for name, column in fields.items()}
    else:
        yield line, fields


def _is_rows(value: Any) -> bool:
    """A list of objects."""
    return isinstance(value, list) and any(isinstance(item, dict) for item in cast("list[Any]", value))


def _wrapper(fields: dict[str, Any]) -> str:
    """The one field beside plain ones that holds an object whose rows stand under a name for rows, such as data."""
    inner = [key for key, each in fields.items() if isinstance(each, dict)]
    if len(inner) != 1 or len(fields) < 2:
        return ""
    within = fields[inner[0]].items()
    return inner[0] if any(name.lower() in _ROWS and _is_rows(each) for name, each in within) else ""


def _is_one_row(fields: dict[str, Any]) -> bool:
    """A chat is a row, not a wrapper around its turns."""
    return any(name in fields for name in ("messages", "conversations", "conversation", "paragraphs", "turns"))


def _are_columns(fields: dict[str, Any]) -> bool:
    """A table written column by column: two or more lists of one length, of plain values."""
    columns = list(fields.values())
    if len(columns) < 2 or not all(isinstance(each, list) for each in columns):
        return False
    lengths = {len(each) for each in columns}
    plain = all(not isinstance(item, dict | list) for each in columns for item in each[:5])
    return len(lengths) == 1 and lengths != {0} and plain


def _is_squad(item: Any) -> bool:
    return isinstance(item, dict) and isinstance(cast("dict[str, Any]", item).get("paragraphs"), list)


def _squad(items: list[Any]) -> Iterator[Row]:
    """Rows of question, context, answer and title; a question without an answer has an empty one."""
    for article in items:
        for paragraph in cast("dict[str, Any]", article)["paragraphs"]:
            for qa in paragraph.get("qas", []):
                answers = qa.get("answers") or []
                yield {
                    "id": qa.get("id", ""),
                    "question": qa.get("question", ""),
                    "context": paragraph.get("context", ""),
                    "answer": answers[0].get("text", "") if answers else "",
                    "title": article.get("title", ""),
                }
