"""One query of a researcher's, run alone: a snapshot is read, nothing else can be, nothing can be written.

``services.explore.sql`` starts it as a child process and reads the one JSON object that it prints. It limits its own
memory, time, files and processes before DuckDB hears a word of the query.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path
from typing import Any

import duckdb

SECONDS, MEMORY, ROWS, CELL = 10, 1_000_000_000, 1000, 2000
ADDRESS_SPACE = 4 * MEMORY  # code, stacks and allocator arenas count here too; DuckDB itself is held to MEMORY


def limit_self() -> None:
    """Give up what a query never needs."""
    resource.setrlimit(resource.RLIMIT_CPU, (2 * SECONDS, 2 * SECONDS + 2))
    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def answer(folder: Path, sql: str) -> dict[str, Any]:
    """``{columns, rows, more}``: at most ROWS rows, or ``{error}`` with DuckDB's own sentence."""
    connection = duckdb.connect(":memory:")
    for file in sorted(folder.glob("*.parquet")):
        name, path = file.stem, str(file).replace("'", "''")
        connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet('{path}')")
    connection.execute("SET allowed_directories = [?]", [str(folder)])
    for setting in (
        "enable_progress_bar = false",  # DuckDB takes a program given by -c for a person, and prints one
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "threads = 2",
        f"memory_limit = '{MEMORY // 1_000_000}MB'",
        "temp_directory = ''",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    try:
        statements = connection.extract_statements(sql)
        if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
            return {"error": "give one SELECT; nothing else is run here"}
        cursor = connection.execute(statements[0])
        found = cursor.fetchmany(ROWS + 1)
        names = numbered([column[0] for column in cursor.description or []])
    except (duckdb.Error, MemoryError, RuntimeError, ValueError, OverflowError) as exc:
        return {"error": str(exc) or "the query needs more memory than it may have"}
    return {"columns": names, "rows": [[_cell(v) for v in row] for row in found[:ROWS]], "more": len(found) > ROWS}


def numbered(names: list[str]) -> list[str]:
    """Names that tell columns apart: a repeated one gets the number of its turn."""
    return [name if name not in names[:i] else f"{name}_{names[:i].count(name) + 1}" for i, name in enumerate(names)]


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)[:CELL]


def main(folder: str) -> None:
    """Read a query from standard input, print its answer as one JSON object."""
    limit_self()
    print(json.dumps(answer(Path(folder), sys.stdin.read())))
