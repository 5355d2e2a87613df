"""Bring what workers wrote into the database, exactly once: rows and file offsets in one transaction.

What can't be trusted or does not fit is set aside alone, with its place; everything around it comes in.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from kdcore.jobs import parquet
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.soundness import Good, missing, sort_out, within, written_by, wrong_end
from kdcore.jobs.tail import BadLine, read_journal, read_metrics
from kdcore.records.runs import QuarantinedLine
from kdcore.records.status import Status
from kdcore.store import maps, metrics
from kdcore.store.engine.apply import Origin, apply
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor

METRICS_FILE = "metrics.jsonl"
MAP_FILE = "placements.parquet"
PASSING = (OSError, MemoryError, duckdb.IOException, duckdb.OutOfMemoryException, duckdb.TransactionException)


@dataclass(frozen=True, slots=True)
class _Read:
    """How far a journal was read: the byte to go on from, and the number of the last record, None where unknown."""

    position: int = 0
    seq: int | None = 0


def ingest_run(store: Store, run: RunDir, status: Status | None = None) -> int:
    """Read everything new in one run folder; return the number of records applied."""
    origin = Origin(run, run.config())
    status = status or run.status()
    applied = 0
    seals = run.seals()
    journals = run.journals()
    for journal in journals:
        seal = seals.get(journal.name)
        written = written_by(status, journal == journals[-1], seal)
        applied += _ingest_journal(store, origin, journal, seal, written)
        _check_end(store, run, journal, seal, written)
    _check_all_there(store, run, status)
    applied += _ingest_metrics(store, run)
    applied += _ingest_map(store, run)
    return applied


def _ingest_journal(store: Store, origin: Origin, journal: Path, limit: int | None, written: int) -> int:
    applied = 0
    while True:
        with _uncollected():
            found = _ingest_chunk(store, origin, journal, limit, written)
        if found is None:
            return applied
        applied += found


def _ingest_chunk(store: Store, origin: Origin, journal: Path, limit: int | None, written: int) -> int | None:
    """Read some megabytes more; the records that came in, None where nothing is new."""
    before = _read_so_far(store, origin.run_id, journal.name)
    chunk = read_journal(journal, before.position, limit)
    if chunk.offset == before.position:
        return None
    good, bad, seq = sort_out([within(line, written) for line in chunk.lines], before.seq)
    after = _Read(chunk.offset, seq)
    try:
        _write(store, origin, journal.name, good, bad, after)
    except PASSING:
        raise
    except Exception:  # one record that the tables refuse: find it, and let the others in
        good, more = _one_by_one(store, origin, good)
        _write(store, origin, journal.name, [], [*bad, *more], after)
    return len(good)


@contextmanager
def _uncollected() -> Generator[None]:
    """Without searches for cycles: a chunk makes ten thousand objects that stay, and each search walks them all."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _write(
    store: Store,
    origin: Origin,
    file: str,
    good: Sequence[Good],
    bad: Sequence[BadLine],
    after: _Read,
) -> None:
    with store.transaction() as tx:
        apply(tx, origin, [record for _, record in good])
        _quarantine(tx, origin.run_id, file, bad)
        _set_read(tx, origin.run_id, file, after)


def _one_by_one(store: Store, origin: Origin, records: Sequence[Good]) -> tuple[list[Good], list[BadLine]]:
    """Apply each record in a transaction of its own; returns those that went in, and those that the tables refuse."""
    good: list[Good] = []
    bad: list[BadLine] = []
    for line, record in records:
        try:
            with store.transaction() as tx:
                apply(tx, origin, [record])
            good.append((line, record))
        except PASSING:
            raise
        except Exception as exc:
            bad.append(BadLine(line.offset, f"the tables refuse it: {exc}", json.dumps(line.body)[:2000]))
    return good, bad


def _say_once(store: Store, run_id: str, file: str, mark: str, offset: int, reason: str) -> None:
    if _read_so_far(store, run_id, mark).position:
        return
    with store.transaction() as tx:
        _quarantine(tx, run_id, file, [BadLine(offset, reason, "")])
        _set_read(tx, run_id, mark, _Read(1, None))


def _check_end(store: Store, run: RunDir, journal: Path, seal: int | None, written: int) -> None:
    """Say once where a journal is not as long as it was; ``written`` is known of an attempt that ended by itself."""
    size, position = journal.stat().st_size, _read_so_far(store, run.run_id, journal.name).position
    if reason := wrong_end(size, position, seal, written):
        _say_once(store, run.run_id, journal.name, f"{journal.name} (end)", min(size, position), reason)


def _check_all_there(store: Store, run: RunDir, status: Status) -> None:
    """Say once which files are gone: those of earlier attempts, of the last one, or that were read before."""
    read = store.rows("SELECT file FROM ingest_offsets WHERE run_id = ? AND position > 1", [run.run_id])
    before = {row["file"] for row in read if row["file"].startswith("journal-") and row["file"].endswith(".jsonl")}
    for file, reason in missing(run, status, before):
        _say_once(store, run.run_id, file, f"{file} (end)" if file in before else f"{file} (gone)", 0, reason)


# ---- how far each file was read -------------------------------------------------------------------------------
def offset_of(store: Store, run_id: str, file: str) -> int:
    """Bytes of a file that are in the tables."""
    return _read_so_far(store, run_id, file).position


def _read_so_far(store: Store, run_id: str, file: str) -> _Read:
    row = store.one("SELECT position, seq FROM ingest_offsets WHERE run_id = ? AND file = ?", [run_id, file])
    return _Read(int(row["position"]), row["seq"]) if row else _Read()


def _set_read(tx: Cursor, run_id: str, file: str, read: _Read) -> None:
    tx.execute("DELETE FROM ingest_offsets WHERE run_id = ? AND file = ?", [run_id, file])
    tx.execute("INSERT INTO ingest_offsets VALUES (?, ?, ?, ?)", [run_id, file, read.position, read.seq])


def _quarantine(tx: Cursor, run_id: str, file: str, bad: Sequence[BadLine]) -> None:
    for line in bad:
        tx.execute(
            "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)",
            [run_id, file, line.offset, line.reason, line.text],
        )


def quarantined(store: Store, run_id: str) -> list[QuarantinedLine]:
    """Lines of a run that could not be trusted."""
    return store.records(
        QuarantinedLine, "SELECT * FROM quarantine WHERE run_id = ? ORDER BY file, position", [run_id]
    )


def quarantined_runs(store: Store) -> dict[str, int]:
    """Runs that have such lines, with their number."""
    found = store.rows("SELECT run_id, count(*) AS lines FROM quarantine GROUP BY 1 ORDER BY 1")
    return {row["run_id"]: row["lines"] for row in found}


# ---- curves and maps --------------------------------------------------------------------------------------
def _ingest_metrics(store: Store, run: RunDir) -> int:
    offset = offset_of(store, run.run_id, METRICS_FILE)
    rows, new_offset = read_metrics(run.path / METRICS_FILE, offset)
    if new_offset == offset:
        return 0
    with store.transaction() as tx:
        metrics.insert(tx, run.run_id, rows)
        _set_read(tx, run.run_id, METRICS_FILE, _Read(new_offset, None))
    return len(rows)


def _ingest_map(store: Store, run: RunDir) -> int:
    path = run.path / MAP_FILE
    if not path.exists() or offset_of(store, run.run_id, MAP_FILE):
        return 0
    table = parquet.read(path)
    titles = json.loads((run.path / "clusters.json").read_bytes())
    with store.transaction() as tx:
        maps.insert(tx, run.run_id, table, titles)
        _set_read(tx, run.run_id, MAP_FILE, _Read(path.stat().st_size, None))
    return table.num_rows
