"""Is all there, and as it was, that a run wrote? The same answers while it is brought in and when it is verified."""

from __future__ import annotations

import json
import sys
from collections.abc import Collection, Iterator, Sequence

from kdcore.errors import DataError
from kdcore.jobs.run_dir import RunDir, journal_name
from kdcore.jobs.tail import BadLine, Record
from kdcore.records.journal import JournalRecord, read_record
from kdcore.records.status import Status
from kdcore.types import TERMINAL_STATES

Good = tuple[Record, JournalRecord]


def sort_out(lines: Sequence[Record | BadLine], seq: int | None) -> tuple[list[Good], list[BadLine], int | None]:
    """The records that fit, what is set aside, gaps in the numbers included, and the number of the last record."""
    good: list[Good] = []
    bad: list[BadLine] = []
    for line in lines:
        if isinstance(line, BadLine):
            bad.append(line)
            seq = None if seq is None else seq + 1
            continue
        if seq is not None and line.seq > seq + 1:
            which = f"record {seq + 1} is" if line.seq == seq + 2 else f"records {seq + 1} to {line.seq - 1} are"
            bad.append(BadLine(line.offset, f"{which} missing before this place", ""))
        elif seq is not None and line.seq <= seq:
            bad.append(
                BadLine(line.offset, f"record {line.seq} stands there a second time", json.dumps(line.body)[:2000])
            )
            continue
        seq = line.seq
        try:
            good.append((line, read_record(line.body)))
        except DataError as exc:
            bad.append(BadLine(line.offset, str(exc), json.dumps(line.body)[:2000]))
    return good, bad, seq


def within(line: Record | BadLine, written: int) -> Record | BadLine:
    """What stands behind the end that a run tells of itself is no word of its."""
    if isinstance(line, BadLine) or written < 0 or line.offset < written:
        return line
    return BadLine(line.offset, "it stands behind the end of its run", json.dumps(line.body)[:2000])


def wrong_end(size: int, position: int, seal: int | None, written: int) -> str:
    """What is wrong with the end of a journal of ``size`` bytes that can be read up to ``position``; "" for nothing.

    ``seal`` is how long it was when its attempt was over, ``written`` what an attempt that ended by itself says of
    itself, -1 where it says nothing.
    """
    known = max(seal or 0, written, position)
    if size < known:
        return f"the journal ends at byte {size}, {known} were written: its end is missing"
    if written >= 0 and size > written:
        return f"the journal ends at byte {size}, only {written} were written by its run"
    if written >= 0 and position < size:
        return "the last line is not whole"
    return ""


def written_by(status: Status, is_last: bool, seal: int | None) -> int:
    """What the last attempt says that it wrote, once it has ended by itself; -1 where nothing is known."""
    return status.journal_bytes if is_last and status.state in TERMINAL_STATES and seal is None else -1


def missing(run: RunDir, status: Status, before: Collection[str] = ()) -> Iterator[tuple[str, str]]:
    """``(file, reason)`` of what was there once; ``before`` are journals that were read."""
    there = {journal.name for journal in run.journals()}
    if run.seals_are_damaged():
        yield "seals.json", "the lengths of the journals of earlier attempts can't be read"
    if run.status_is_damaged():
        yield "status.json", "the status can't be read: how much the run wrote is not known"
    if there and not (run.path / "status.json").exists():
        yield "status.json", "the status is gone: how much the run wrote is not known"
    if not run.seals_are_guarded():
        for journal in run.journals():
            if journal.stat().st_size > run.seals().get(journal.name, sys.maxsize):
                yield (
                    f"{journal.name} (rest)",
                    "it is longer than seals.json says; nobody can tell which of them is right",
                )
    expected = {name for name, size in run.seals().items() if size} | set(before)
    if status.journal_bytes > 0:
        expected.add(journal_name(status.epoch))
    for name in sorted(expected - there):
        yield name, "the journal is gone: all that it held is missing"


def place(run_id: str, file: str, offset: int, reason: str) -> str:
    """The sentence for a place of a run that is damaged or missing, for a page and for ``kd verify``."""
    return f"{file} of run {run_id} is damaged at byte {offset} ({reason})."
