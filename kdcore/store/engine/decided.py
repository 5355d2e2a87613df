"""Decisions in the log and in the tables, under one lock: a rebuild gives what the live database has.

The number of a decision in the log is its place in time in every table, so the order of applying does not matter. One
that can't be applied waits alone, is shown, and is tried again at the next start.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import duckdb

from kdcore.errors import KdError, StoreError
from kdcore.records.decisions import AnyDecision, DoubtsEnded
from kdcore.records.runs import WaitingDecision
from kdcore.settings import Workspace
from kdcore.store import datasets, projects, reviews, runs, saved_views, tags
from kdcore.store.engine.chain import FIRST
from kdcore.store.engine.db import Store
from kdcore.store.engine.decisions import DecisionLog
from kdcore.store.engine.frozen_files import read_frozen
from kdcore.store.engine.ingest import offset_of
from kdcore.store.engine.known import (
    Known,
    carry,
    differences,
    doubt,
    gone_runs,
    known_before,
    known_of,
    note,
    settled_in,
)
from kdcore.store.engine.log_reading import Entry, Head, Reading
from kdcore.store.engine.migrations import Cursor

log = logging.getLogger(__name__)
AT_ONCE = 500  # decisions applied in one transaction while many are read

Apply = Callable[[Cursor, Any, int], object]
# kind of decision → what it does to the tables; each may be applied twice
APPLY: dict[str, Apply] = {
    "project": projects.add_project,
    "prompt_version": projects.add_prompt_version,
    "review": reviews.add,
    "reviews": reviews.add_many,
    "tags": tags.add,
    "view": saved_views.add,
    "run_name": runs.add_name,
    "data_class": projects.add_data_class,
    "terms_override": projects.add_terms_override,
    "programs": projects.allow_programs,
    "exported": projects.add_export,
}


class Decided:
    """What people decided, kept. ``findings`` are sentences for every page to show."""

    def __init__(self, store: Store, folders: Workspace) -> None:
        self._store, self._folders = store, folders
        self._log = DecisionLog(folders.decisions)
        self._lock = threading.Lock()
        self._unrecorded: dict[int, tuple[str, str]] = {}  # failed, and not yet written down as waiting
        self._fork: int | None = None  # where the log is another than the database's
        self.doubts: list[str] = []  # what somebody may answer for
        self.settled_places: frozenset[str] = frozenset()
        self.findings: list[str] = []

    def open(self) -> int:
        """Read the log, say what is wrong with it, apply what the tables lack; returns the decisions applied."""
        with self._lock:
            is_new = not self._store.scalar("SELECT count(*) FROM decisions_head")
            reading = self._read()
            if is_new:
                self._carry(reading)
            known = self._remembered(reading)
            said = [*reading.findings, *differences(known, reading), *gone_runs(known, self._folders), *known.doubts]
            self._fork = known.forked(reading)
            newest = max(known.seen, default=0)
            if newest > self._log.head.number:
                self._log.follow(Head(newest, known.seen[newest]))
            applied = self._catch_up(reading, known)
            self._tell(said, *settled_in([entry.decision for entry in reading.entries]))
            return applied

    def _carry(self, reading: Reading) -> None:
        """A database that is made anew remembers what the one that was set aside knew, before anything else."""
        before = known_before(self._folders)
        with self._store.transaction() as tx:
            if before is not None:
                carry(tx, before, reading)
            if before is None or before.head.number < reading.head.number:
                for finding in reading.findings:
                    if self._log.head_path.name in finding:  # nothing else will know of it at the next start
                        doubt(tx, finding)

    def _read(self) -> Reading:
        try:
            return self._log.open()
        except OSError as exc:
            raise StoreError(
                f"the log of decisions {self._folders.decisions} can't be read ({exc.strerror or exc}), so nobody "
                "knows what was decided; mend the disk or its permissions, or put the file back from a backup."
            ) from exc

    def _remembered(self, reading: Reading) -> Known:
        """What the database knows; one of an earlier version knew its newest decision only."""
        known = known_of(self._store)
        if known.seen or not known.head.number:
            return known
        done_before = offset_of(self._store, "", self._folders.decisions.name)
        waiting = {row["number"] for row in self.waiting()}
        old = [e for e in reading.entries if e.number <= known.head.number or (not e.hash and e.end <= done_before)]
        seen = {e.number: e.hash for e in old}
        seen |= {known.head.number: known.head.hash if known.head.hash != FIRST else ""}
        with self._store.transaction() as tx:
            note(tx, {number: seen[number] for number in seen.keys() - waiting}, applied=True)
            note(tx, {number: seen[number] for number in seen.keys() & waiting}, applied=False)
        return known_of(self._store)

    def _tell(self, said: Sequence[str], settled: frozenset[str], places: frozenset[str]) -> None:
        """What is wrong now, but for what somebody has answered for; what was settled and is over is noted."""
        waiting = [
            f"decision {row['number']} ({row['kind'].replace('_', ' ')}) is kept but not applied: {row['reason']}; "
            "it is tried again at every start"
            for row in self.waiting()
        ]
        self.doubts = [each for each in dict.fromkeys(said) if each not in settled]
        self.settled_places = places
        if (over := sorted(settled.difference(said))) and self._fork is None:
            try:
                self._apply([self._log.append(DoubtsEnded(sentences=tuple(over), created=time.time()))])
            except (OSError, duckdb.Error):  # a full disk shuts nobody out
                log.exception("that what was settled is over is noted at the next start")
        self.findings = [*self.doubts, *waiting]

    def decide(self, decision: AnyDecision, refuse: Callable[[], None] = lambda: None) -> None:
        """Write a decision to disk, then apply it; ``refuse`` may raise before, while nobody else can decide.

        Raises StoreError where the tables can't take it: it is kept, and tried again at the next start.
        """
        with self._lock:
            refuse()
            self._refuse_fork()
            try:
                entry = self._log.append(decision)
            except OSError as exc:
                raise StoreError(
                    f"your decision could not be written to {self._folders.decisions.name} ({exc.strerror or exc}); "
                    "free some disk and decide again."
                ) from exc
            try:
                self._apply([entry])
            except Exception as exc:
                self._wait(entry, exc)
                raise StoreError(
                    f"your decision is kept in {self._folders.decisions.name} (number {entry.number}), but the "
                    f"database could not take it: {_reason(exc)}; it is tried again at the next start."
                ) from exc

    def _refuse_fork(self) -> None:
        if self._fork is not None:
            raise StoreError(
                f"{self._folders.decisions.name} is not the log that this database was made from (from decision "
                f"{self._fork} on), so nothing can be decided: put the right one back, or go by this one with "
                f'"kd rebuild --workspace {self._folders.root}".'
            )

    def _catch_up(self, reading: Reading, known: Known) -> int:
        """Apply what the tables lack: new entries, some that were damaged or missing before, and those that wait."""
        missing = [entry for entry in reading.entries if entry.number not in known.applied]
        if self._fork is not None:
            missing = [entry for entry in missing if entry.number < (self._fork or 0)]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            try:
                self._apply(part)
            except Exception:
                self._one_by_one(part)
        return len(missing)

    def _one_by_one(self, entries: Sequence[Entry]) -> None:
        for entry in entries:
            try:
                self._apply([entry])
            except Exception as exc:
                log.exception("decision %s can't be applied", entry.number)
                self._wait(entry, exc)

    def _apply(self, entries: Sequence[Entry]) -> None:
        with self._store.transaction() as tx:
            for entry in entries:
                decision = entry.decision
                if decision.kind == "dataset":
                    datasets.add(tx, decision, read_frozen(self._folders, decision))
                elif decision.kind in APPLY:
                    APPLY[decision.kind](tx, decision, entry.number)
            tx.execute(
                "DELETE FROM decisions_waiting WHERE number IN (SELECT unnest(?))", [[e.number for e in entries]]
            )
            note(tx, {entry.number: entry.hash for entry in entries}, applied=True)
            self._advance(tx, entries[-1])
        for entry in entries:
            self._unrecorded.pop(entry.number, None)

    def _advance(self, tx: Cursor, entry: Entry) -> None:
        for number, (kind, reason) in self._unrecorded.items():
            tx.execute("DELETE FROM decisions_waiting WHERE number = ?", [number])
            tx.execute("INSERT INTO decisions_waiting VALUES (?, ?, ?)", [number, kind, reason])
        row = tx.execute("SELECT max(number) FROM decisions_head").fetchone()
        if entry.number >= ((row[0] if row else None) or 0):
            tx.execute("DELETE FROM decisions_head")
            tx.execute("INSERT INTO decisions_head VALUES (?, ?)", [entry.number, entry.hash or FIRST])

    def _wait(self, entry: Entry, error: Exception) -> None:
        """Set one decision aside. The log has it, so where not even this can be written nothing is lost."""
        self._unrecorded[entry.number] = entry.decision.kind, _reason(error)
        try:
            with self._store.transaction() as tx:
                note(tx, {entry.number: entry.hash}, applied=False)
                self._advance(tx, entry)
            self._unrecorded.clear()
        except Exception:
            log.exception("decision %s could not be set aside", entry.number)

    def waiting(self) -> list[WaitingDecision]:
        """Decisions that could not be applied: ``[{number, kind, reason}]``."""
        return self._store.records(WaitingDecision, "SELECT * FROM decisions_waiting ORDER BY number")


def _reason(error: Exception) -> str:
    text = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return text if isinstance(error, KdError) else f"{type(error).__name__}: {text}"
