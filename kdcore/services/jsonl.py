"""Lines of JSON objects, as people bring them: each wrong line is named."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any, cast

from kdcore.errors import DataError


def parse(lines: Iterable[str], name: str) -> list[dict[str, Any]]:
    """One object of each line that is not empty. Raises DataError naming ``name`` and the line that is none."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as exc:
            raise DataError(f"line {number} of {name} is no JSON: {exc}.") from exc
        if not isinstance(row, dict):
            raise DataError(f"line {number} of {name} is no JSON object; each line must be one.")
        rows.append(cast("dict[str, Any]", row))
    if not rows:
        raise DataError(f"{name} has no row; at least one is needed.")
    return rows
