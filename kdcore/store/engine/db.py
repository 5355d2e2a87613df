"""Open the database, read through cursors, write through ``transaction()`` and in no other way."""

from __future__ import annotations

import itertools
import json
import logging
import os
import threading
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar, cast

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from kdcore.errors import StoreError
from kdcore.store.engine.migrations import migrate

log = logging.getLogger(__name__)
R = TypeVar("R")
BATCH_ROWS = 50_000

LOCKED_DOWN: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": False,
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_community_extensions": False,
    "memory_limit": "1GB",
    "threads": max(1, min(4, os.cpu_count() or 1)),
    "lock_configuration": True,
}


class Store:
    """One connection for the process; thread-safe. Close it to let another process in."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._write_lock = threading.RLock()
        self._version = 0
        self.opened = time.time_ns()  # tells this opening from every other, whose versions count from 0 too
        self._connection = _connect(path)
        with self.transaction() as tx:
            migrate(tx)

    @property
    def version(self) -> int:
        """Counts committed writes: a key for caches of reads."""
        return self._version

    @contextmanager
    def transaction(self) -> Generator[duckdb.DuckDBPyConnection]:
        """All or nothing. One writer at a time; any error rolls back and is raised.

        DuckDB answers OK to a COMMIT after a failed statement and discards everything, so an error must
        never reach the commit: leaving the block normally is the only way there.
        """
        with self._write_lock:
            cursor = self._connection.cursor()
            cursor.execute("BEGIN TRANSACTION")
            try:
                yield cursor
                cursor.execute("SELECT 1")  # fails here if a statement failed and its error was swallowed
                cursor.execute("COMMIT")
                self._version += 1
            except BaseException:
                _rollback(cursor)
                raise
            finally:
                cursor.close()

    def rows(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        """Read as a list of dicts."""
        return self.table(sql, values).to_pylist()

    def one(self, sql: str, values: Sequence[Any] = ()) -> dict[str, Any] | None:
        """The first row, or None."""
        found = self.rows(sql, values)
        return found[0] if found else None

    def records(self, row: type[R], sql: str, values: Sequence[Any] = (), *, parsed: Sequence[str] = ()) -> list[R]:
        """Read as records of one type: a TypedDict whose every field the query must bring.

        Columns named in ``parsed`` hold JSON, and come as what it says; an empty one as an empty object.
        """
        found = self.table(sql, values)
        if missing := sorted(row.__annotations__.keys() - set(found.column_names)):
            raise StoreError(f"the query of {row.__name__} lacks {', '.join(missing)}.")
        rows = found.to_pylist()
        for name in parsed:
            for each in rows:
                each[name] = json.loads(each[name] or "{}")
        return cast("list[R]", rows)

    def record(self, row: type[R], sql: str, values: Sequence[Any] = (), *, parsed: Sequence[str] = ()) -> R | None:
        """The first record, or None."""
        found = self.records(row, sql, values, parsed=parsed)
        return found[0] if found else None

    def scalar(self, sql: str, values: Sequence[Any] = ()) -> Any:
        """The first value of the first row, or None."""
        with self._cursor() as cursor:
            row = cursor.execute(sql, list(values)).fetchone()
        return row[0] if row else None

    def tuples(self, sql: str, values: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """Read as plain tuples."""
        with self._cursor() as cursor:
            return cursor.execute(sql, list(values)).fetchall()

    def sizes(self, *tables: str) -> dict[str, int]:
        """Rows of some tables."""
        return {name: int(self.scalar(f'SELECT count(*) FROM "{name}"')) for name in tables}

    def table(self, sql: str, values: Sequence[Any] = (), **frames: Any) -> pa.Table:
        """Read as an Arrow table. ``frames`` are registered under their names for this query."""
        with self._cursor() as cursor:
            for name, frame in frames.items():
                cursor.register(name, frame)
            return cursor.sql(sql, params=list(values)).to_arrow_table()

    def write(self, sql: str, values: Sequence[Any], path: Path) -> None:
        """Read into a Parquet file, a batch at a time: the app process never holds the whole."""
        with self._cursor() as cursor:
            reader = cursor.sql(sql, params=list(values)).to_arrow_reader(BATCH_ROWS)
            with pq.ParquetWriter(path, reader.schema, compression="zstd") as file:
                for batch in reader:
                    file.write_batch(batch)

    @contextmanager
    def _cursor(self) -> Generator[duckdb.DuckDBPyConnection]:
        cursor = self._connection.cursor()
        try:
            yield cursor
        finally:
            cursor.close()

    def close(self) -> None:
        """Checkpoint and let the file go."""
        with self._write_lock:
            self._connection.close()


def _rollback(cursor: duckdb.DuckDBPyConnection) -> None:
    try:
        cursor.execute("ROLLBACK")
    except duckdb.Error as exc:
        log.warning("rollback after an error failed too: %s", exc)


def _connect(path: Path) -> duckdb.DuckDBPyConnection:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        return _connected(path)
    except duckdb.IOException as exc:
        text = str(exc)
        if _is_held(exc):
            pid = text.partition("PID ")[2].partition(")")[0].strip() or "unknown"
            raise StoreError(
                f"the workspace {path.parent} is open in another process (pid {pid}); "
                "stop the app there, or give another --workspace."
            ) from exc
        raise StoreError(f"the database {path} can't be opened: {text}. " + _recovery_hint(path)) from exc
    except duckdb.Error as exc:
        raise StoreError(f"the database {path} can't be opened: {exc}. " + _recovery_hint(path)) from exc


LOOKS, LOOK_S = 10, 0.1  # who only looks, such as kd verify, lets go at once


def _connected(path: Path) -> duckdb.DuckDBPyConnection:
    for _ in range(LOOKS):
        try:
            return duckdb.connect(str(path), config=LOCKED_DOWN)
        except duckdb.IOException as exc:
            if not _is_held(exc):
                raise
            time.sleep(LOOK_S)
    return duckdb.connect(str(path), config=LOCKED_DOWN)


def _is_held(error: BaseException | None) -> bool:
    """Whether another process has a database open."""
    return isinstance(error, duckdb.IOException) and "lock" in str(error).lower()


def _recovery_hint(path: Path) -> str:
    return f'Run "kd rebuild --workspace {path.parent}": it sets the file aside and rebuilds it from the run folders.'


def read_closed(path: Path, queries: Sequence[str]) -> list[list[tuple[Any, ...]]] | None:
    """What some queries find in a database that nobody has open; None where it can't be read. It stays as it is."""
    try:
        with duckdb.connect(str(path), read_only=True, config=LOCKED_DOWN) as connection:
            return [connection.execute(sql).fetchall() for sql in queries]
    except duckdb.Error:
        return None


def set_aside(path: Path) -> Path | None:
    """Rename a database and its log (never delete them); return the new name of the database.

    Raises StoreError while another process has it open; a damaged file may be set aside.
    """
    if not path.exists():
        return None
    try:
        _connect(path).close()
    except StoreError as exc:
        if _is_held(exc.__cause__):
            raise
    kept = _free_name(path)
    path.rename(kept)
    wal = path.with_name(path.name + ".wal")
    if wal.exists():
        wal.rename(kept.with_name(kept.name + ".wal"))
    return kept


def _free_name(path: Path) -> Path:
    """A name that no file has, also for the second rebuild in a second, and in the hour that comes twice."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for number in itertools.count(1):
        name = path.with_name(f"{path.stem}-{stamp}{f'-{number}' if number > 1 else ''}{path.suffix}")
        if not name.exists() and not name.with_name(name.name + ".wal").exists():
            return name
    raise AssertionError
