"""The rows of a file as what will be asked or kept: question or passage, answer, labels, other columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from kdcore.errors import DataError
from kdcore.reading.columns import guess_roles
from kdcore.reading.found import Found, as_text, clean
from kdcore.reading.shapes import Entry, by_mapping, flat, shape_of

LABELS = ("source", "topic", "difficulty", "reader", "group", "split")
# what a seed is called by itself: a column of such a name that is nothing of the kind is called otherwise
TAKEN = ("question", "source", "topic", "difficulty", "reader", "group", "seed_id", "sample_id")
LOOKED_AT = 200


@dataclass(slots=True)
class Plan:
    """How a file's rows are understood: its shape, and the column of each role."""

    shape: str
    mapping: dict[str, str] = field(default_factory=dict[str, str])


def plan(found: Found, given: Mapping[str, str], seed_kind: str) -> Plan:
    """Find the shape and the roles; what is given holds. Raises DataError for a column that is not there."""
    if (
        given.get("text") is None
        and (shape := shape_of(found.rows[:LOOKED_AT])) is not None
        and seed_kind != "document"
    ):
        mapping = {role: column for role, column in _guess(found, seed_kind).items() if column not in shape.takes}
        mapping = {role: column for role, column in mapping.items() if role not in ("text", "answer", "rationale")}
        return Plan(shape.name, mapping | dict(given))
    found.rows = [flat(row) for row in found.rows]
    found.columns = list(dict.fromkeys(name for row in found.rows for name in row)) or found.columns
    for role, column in given.items():
        if column and column not in found.columns:
            raise DataError(
                f'"{found.name}" has no column "{column}" for {role}; it has: {", ".join(found.columns)}.'
            )
    mapping = _guess(found, seed_kind)
    if "text" in mapping and "text" not in given and mapping["text"].lower() not in _plain_names(seed_kind):
        found.guesses.append(f'the column "{mapping["text"]}" is taken for the {_called(seed_kind)}')
    mapping = {role: column for role, column in mapping.items() if column not in given.values() or role == "group"}
    mapping = {role: column for role, column in (mapping | dict(given)).items() if column}
    if seed_kind == "document":
        return Plan("passages" if "offset" in found.columns else "table", mapping)
    return Plan("question_answer" if mapping.get("answer") else "table", mapping)


def _guess(found: Found, seed_kind: str) -> dict[str, str]:
    return guess_roles(found.columns, found.rows, seed_kind)


def _plain_names(seed_kind: str) -> tuple[str, ...]:
    return (
        ("text", "passage", "document") if seed_kind == "document" else ("question", "text", "prompt", "instruction")
    )


def _called(seed_kind: str) -> str:
    return "passage" if seed_kind == "document" else "question"


def entries(found: Found, how: Plan, seed_kind: str) -> Iterator[tuple[int, Entry, dict[str, str]]]:
    """Each usable row with its number and labels; the others are set aside in ``found`` with their reason."""
    from kdcore.reading.shapes import SHAPES

    shape = SHAPES.get(how.shape)
    if shape is None and "text" not in how.mapping:
        raise DataError(
            f'which column of "{found.name}" holds the {_called(seed_kind)}? None looks like one; it has: '
            f"{', '.join(found.columns)}. Name it (on the page, or with --map text=COLUMN)."
        )
    used = {*how.mapping.values(), *(shape.takes if shape else ())}
    seen: dict[tuple[object, ...], int] = {}
    for place, row in zip(found.places, found.rows, strict=True):
        entry = shape.read(row) if shape is not None else by_mapping(row, how.mapping)
        labels = {role: as_text(row.get(how.mapping.get(role, ""))) for role in LABELS}
        entry.fields = _fields(row, used, entry)
        if problem := _problem(entry, how, seed_kind):
            found.reject(place, problem, {name: as_text(value) for name, value in row.items()})
            continue
        key = (entry.question, entry.answer, entry.rejected, *labels.values(), *sorted(entry.fields.items()))
        if key in seen:
            found.reject(place, f"it is the same as row {seen[key]}", entry.question)
            continue
        seen[key] = place
        yield place, entry, labels


def _problem(entry: Entry, how: Plan, seed_kind: str) -> str:
    if entry.problem:
        return entry.problem
    if not entry.question.strip():
        column = how.mapping.get("text")
        return f'the column "{column}" is empty' if column else "it has no question"
    if seed_kind == "answered" and not entry.answer.strip():
        return "it has no answer"
    return ""


def _fields(row: Mapping[str, object], used: set[str], entry: Entry) -> dict[str, str]:
    """Every other column as text; what it brings of a chat under names of its own."""
    fields: dict[str, str] = {}
    for name, value in row.items():
        if name in used:
            continue
        fields[f"{name} (2)" if name in TAKEN else clean(name)] = as_text(value)
    own = {"answer": entry.answer, "system": entry.system, "rejected": entry.rejected, "rationale": entry.rationale}
    fields |= {name: text for name, text in own.items() if text}
    if entry.turns:
        fields["turns"] = as_text(entry.turns)
    return fields
