"""Decisions in the log and in the tables, under one lock: a rebuild gives what the live database has.

The number of a decision in the log is its place in time in every table, so the order of applying does not matter. One
that can't be applied waits alone, is shown, and is tried again at the next start.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kdcore.errors import KdError, StoreError
from kdcore.records.decisions import AnyDecision
from kdcore.records.runs import WaitingDecision
from kdcore.settings import Workspace
from kdcore.store import datasets, projects, reviews, saved_views, tags
from kdcore.store.engine.chain import FIRST
from kdcore.store.engine.db import Store, read_closed
from kdcore.store.engine.decisions import DecisionLog, Entry, Head, Reading, cut
from kdcore.store.engine.frozen_files import read_frozen
from kdcore.store.engine.ingest import offset_of
from kdcore.store.engine.migrations import Cursor

log = logging.getLogger(__name__)
_HEAD = "SELECT number, hash FROM decisions_head"
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
        self.findings: list[str] = []

    def open(self, set_aside: Head | None = None) -> int:
        """Read the log, say what is wrong with it, apply what the tables lack; returns the decisions applied.

        ``set_aside`` is the newest decision that an earlier database knew of.
        """
        with self._lock:
            reading = self._log.open()
            known = self._head()
            self.findings = list(reading.findings)
            for head, by in ((known, "the database"), (set_aside or Head(), "the database that was set aside")):
                for finding in cut(reading, head, by):
                    if not any("the log of decisions was cut" in said for said in self.findings):
                        self.findings.append(finding)
                if head.number > self._log.head.number:
                    self._log.follow(head)
            return self._catch_up(reading, known)

    def decide(self, decision: AnyDecision, refuse: Callable[[], None] = lambda: None) -> None:
        """Write a decision to disk, then apply it; ``refuse`` may raise before, while nobody else can decide.

        Raises StoreError where the tables can't take it: it is kept, and tried again at the next start.
        """
        with self._lock:
            refuse()
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

    def _catch_up(self, reading: Reading, known: Head) -> int:
        """Apply entries beyond ``known``, and those that wait."""
        waiting = {row["number"] for row in self.waiting()}
        done_before = offset_of(self._store, "", self._folders.decisions.name)
        missing = [
            entry
            for entry in reading.entries
            if entry.number in waiting
            or (entry.number > known.number and (entry.hash or entry.end > done_before))  # 0.1.0 counted bytes
        ]
        for start in range(0, len(missing), AT_ONCE):
            part = missing[start : start + AT_ONCE]
            try:
                self._apply(part)
            except Exception:
                self._one_by_one(part)
        self.findings += [
            f"decision {row['number']} ({row['kind'].replace('_', ' ')}) is kept but not applied: {row['reason']}; "
            "it is tried again at every start"
            for row in self.waiting()
        ]
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
            self._advance(tx, entries[-1])
        for entry in entries:
            self._unrecorded.pop(entry.number, None)

    def _advance(self, tx: Cursor, entry: Entry) -> None:
        for number, (kind, reason) in self._unrecorded.items():
            tx.execute("DELETE FROM decisions_waiting WHERE number = ?", [number])
            tx.execute("INSERT INTO decisions_waiting VALUES (?, ?, ?)", [number, kind, reason])
        known = self._head(tx)
        if entry.number >= known.number:
            tx.execute("DELETE FROM decisions_head")
            tx.execute("INSERT INTO decisions_head VALUES (?, ?)", [entry.number, entry.hash or FIRST])

    def _wait(self, entry: Entry, error: Exception) -> None:
        """Set one decision aside. The log has it, so where not even this can be written nothing is lost."""
        self._unrecorded[entry.number] = entry.decision.kind, _reason(error)
        try:
            with self._store.transaction() as tx:
                self._advance(tx, entry)
            self._unrecorded.clear()
        except Exception:
            log.exception("decision %s could not be set aside", entry.number)

    def waiting(self) -> list[WaitingDecision]:
        """Decisions that could not be applied: ``[{number, kind, reason}]``."""
        return self._store.records(WaitingDecision, "SELECT * FROM decisions_waiting ORDER BY number")

    def _head(self, tx: Cursor | None = None) -> Head:
        if tx is not None:
            return _head_in(tx.execute(_HEAD).fetchone()) or Head()
        found = self._store.one(_HEAD)
        return Head(int(found["number"]), str(found["hash"])) if found else Head()


def head_of(database: Path) -> Head | None:
    """The newest decision that a closed database knows of; None where that can't be read."""
    return _head_in(read_closed(database, _HEAD))


def _head_in(row: Any) -> Head | None:
    return Head(int(row[0]), str(row[1])) if row else None


def _reason(error: Exception) -> str:
    text = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
    return text if isinstance(error, KdError) else f"{type(error).__name__}: {text}"
