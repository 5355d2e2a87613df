"""Compile a Selection to a SQL condition with bound values. Column names come from a fixed list.

A condition speaks of ``s`` (samples); everything else is reached by sub-query, so that the complement
of a selection is exactly the other rows: no condition is ever NULL.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kdcore.configs.selection import (
    All,
    AnyOf,
    ColumnIs,
    HasScore,
    HasTag,
    HasVerdict,
    InClusters,
    InLasso,
    IsOneOf,
    Not,
    ReviewIs,
    Selection,
    TextHas,
)
from kdcore.errors import ConfigError
from kdcore.records.decisions import Decision
from kdcore.records.rows import TEXTS

Condition = tuple[str, list[Any]]
_COMPARE = {"=", "!=", "<", "<=", ">", ">="}
MAX_CORNERS = 200


def compile_selection(selection: Selection) -> Condition:
    """SQL over ``samples s`` and its values, in order."""
    return _COMPILERS[selection.kind](selection)


def _column(part: ColumnIs) -> Condition:
    name = f"s.{part.column}"
    if part.op == "is_null":
        return f"({name} IS NULL)", []
    if part.op == "in":
        if not part.values:
            return "FALSE", []
        marks = ", ".join("?" for _ in part.values)
        return f"coalesce({name} IN ({marks}), FALSE)", list(part.values)
    if part.op not in _COMPARE or len(part.values) != 1:
        raise ConfigError(f'the comparison "{part.op}" on {part.column} needs exactly one value.')
    return f"coalesce({name} {part.op} ?, FALSE)", list(part.values)


def _text(part: TextHas) -> Condition:
    fields = TEXTS if part.field == "any" else (part.field,)
    if part.regex:
        _refuse_broken(part.query)
        tests = [f"coalesce(regexp_matches(s.{field}, ?, 'i'), FALSE)" for field in fields]
        return "(" + " OR ".join(tests) + ")", [part.query] * len(fields)
    tests = [f"coalesce(contains(lower(s.{field}), ?), FALSE)" for field in fields]
    return "(" + " OR ".join(tests) + ")", [part.query.lower()] * len(fields)


def _refuse_broken(pattern: str) -> None:
    """Raise ConfigError for a pattern that RE2 can't read; Arrow has the same engine as DuckDB."""
    try:
        pc.match_substring_regex(pa.array([""]), pattern)  # pyright: ignore[reportAttributeAccessIssue]
    except pa.ArrowInvalid as exc:
        raise ConfigError(
            f'"{pattern}" is no regular expression ({str(exc).removeprefix("Invalid regular expression: ")}); '
            "mend it, or search for the text as it stands."
        ) from exc


def _clusters(part: InClusters) -> Condition:
    marks = ", ".join("?" for _ in part.clusters) or "NULL"
    return (
        f"(s.sample_id IN (SELECT sample_id FROM placements WHERE run_id = ? AND cluster IN ({marks})))",
        [part.map_run, *part.clusters],
    )


def _lasso(part: InLasso) -> Condition:
    """Even-odd rule: a ray from the point crosses an odd number of edges."""
    step = max(1, len(part.xs) // MAX_CORNERS)
    corners = list(zip(part.xs, part.ys, strict=True))[::step]
    tests: list[str] = []
    values: list[Any] = [part.map_run, min(part.xs), max(part.xs), min(part.ys), max(part.ys)]
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if y1 == y2:
            continue  # a level edge is never crossed by a level ray
        tests.append("(CASE WHEN (y < ?) <> (y < ?) AND x < ? + ? * (y - ?) THEN 1 ELSE 0 END)")
        values += [y1, y2, x1, (x2 - x1) / (y2 - y1), y1]
    inside = f"({' + '.join(tests)}) % 2 = 1" if tests else "FALSE"
    return (
        "(s.sample_id IN (SELECT sample_id FROM placements WHERE run_id = ? AND x BETWEEN ? AND ? "
        f"AND y BETWEEN ? AND ? AND {inside}))",
        values,
    )


def _verdict(part: HasVerdict) -> Condition:
    """A duplicate of a rejected sample is none: resolving a group by keeping a later one must not lose both."""
    return (
        """
        (s.sample_id IN (
            SELECT sample_id FROM current_verdicts
            WHERE kind = ? AND filter = ?
                AND (passed OR related IN (SELECT sample_id FROM current_reviews WHERE action = 'reject')) = ?))
        """,
        [part.verdict_kind, part.filter, part.passed],
    )


def _score(part: HasScore) -> Condition:
    below = "" if part.high is None else " AND score < ?"
    return (
        f"""
        (s.sample_id IN (
            SELECT sample_id FROM current_verdicts
            WHERE kind = ? AND filter = ? AND score >= ?{below}))
        """,
        [part.verdict_kind, part.filter, part.low, *([] if part.high is None else [part.high])],
    )


def _tag(part: HasTag) -> Condition:
    return "(s.sample_id IN (SELECT sample_id FROM current_tags WHERE tag = ?))", [part.tag]


def _review(part: ReviewIs) -> Condition:
    actions = [str(state) for state in part.states if state != Decision.PENDING]
    tests: list[str] = []
    if actions:
        marks = ", ".join("?" for _ in actions)
        tests.append(f"s.sample_id IN (SELECT sample_id FROM current_reviews WHERE action IN ({marks}))")
    if Decision.PENDING in part.states:
        tests.append("s.sample_id NOT IN (SELECT sample_id FROM current_reviews)")
    return ("(" + " OR ".join(tests) + ")" if tests else "FALSE"), list(actions)


def _ids(part: IsOneOf) -> Condition:
    return "(s.sample_id IN (SELECT unnest(?)))", [list(part.sample_ids)]


def _all(part: All) -> Condition:
    return _join(part.parts, " AND ", "TRUE")


def _any(part: AnyOf) -> Condition:
    return _join(part.parts, " OR ", "FALSE")


def _join(parts: tuple[Selection, ...], word: str, empty: str) -> Condition:
    compiled = [compile_selection(part) for part in parts]
    if not compiled:
        return empty, []
    return "(" + word.join(sql for sql, _ in compiled) + ")", [v for _, values in compiled for v in values]


def _not(part: Not) -> Condition:
    sql, values = compile_selection(part.part)
    return f"(NOT {sql})", values


_COMPILERS: dict[str, Callable[[Any], Condition]] = {
    "column": _column,
    "text": _text,
    "clusters": _clusters,
    "lasso": _lasso,
    "verdict": _verdict,
    "score": _score,
    "tag": _tag,
    "review": _review,
    "ids": _ids,
    "all": _all,
    "any": _any,
    "not": _not,
}
