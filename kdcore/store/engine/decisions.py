"""The log of what people decided, one line each, on disk before the database hears of it.

With the run folders it is enough to rebuild the database (``services.workspace.rebuild``), so it must not change
without a word. Each line is numbered and carries the hash of the one before; its own hash covers the number and the
record, in which every text a person wrote stands as a salted digest. The text itself stands beside it, so that it can
be erased one day and the chain still holds. A line must be, byte for byte, what this file would write: any other is
damaged. The newest number and hash stand also in a head file and in the database; a log shorter than either was cut.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from kdcore.errors import DataError
from kdcore.jobs.run_dir import fsync_dir, write_json
from kdcore.records.decisions import AnyDecision, LogAdopted, read_decision
from kdcore.store.engine.chain import FIRST, UNKNOWN, decode, encode, hash_of, seal


@dataclass(frozen=True, slots=True)
class Head:
    """Number and hash of the newest line. Number 0 is an empty log."""

    number: int = 0
    hash: str = FIRST


@dataclass(frozen=True, slots=True)
class Entry:
    """One line that can be trusted; ``end`` is the byte after it. Lines of 0.1.0 have no hash of their own."""

    number: int
    hash: str
    decision: AnyDecision
    end: int


@dataclass(slots=True)
class Reading:
    """A log as it was read: the entries in order, what is wrong in sentences, and where to go on."""

    entries: list[Entry] = field(default_factory=list[Entry])
    findings: list[str] = field(default_factory=list[str])
    head: Head = Head()
    torn: int = 0  # bytes at the end that nobody was told were kept
    old_lines: int = 0  # of 0.1.0, at the beginning
    old_bytes: int = 0
    only_old: bool = False  # a log that this version has not written to yet


# ---- the file -----------------------------------------------------------------------------------------------
class DecisionLog:
    """The file and its head file. Whoever appends holds one lock over this and the database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head_path = path.with_suffix(".head.json")
        self.head = Head()

    def check(self) -> Reading:
        """Read and check the whole log, and change nothing."""
        acknowledged, problem = self._read_head()
        reading = read(self.path, acknowledged)
        numbered = sum(1 for entry in reading.entries if entry.hash)
        if acknowledged is None and not problem and numbered > 1:  # after the first line a crash may come before it
            problem = (
                f"{self.head_path.name} is missing: whether the end of {self.path.name} was cut can't be told by it"
            )
        if problem:
            reading.findings.append(problem)
        return reading

    def open(self) -> Reading:
        """Read and check the whole log, put a torn end aside, adopt a log of 0.1.0; then ``append`` may be called."""
        acknowledged, _ = self._read_head()
        reading = self.check()
        if reading.torn:
            self._put_aside(reading.torn)
        else:
            self._end_last_line()
        behind = acknowledged is not None and acknowledged.number > reading.head.number
        self.head = acknowledged if behind and acknowledged is not None else reading.head
        chained = any(entry.hash for entry in reading.entries)
        if reading.old_lines and not chained and (acknowledged is None or acknowledged.hash == FIRST):
            self._adopt(reading)
        elif self.head.number:
            self._write_head()
        return reading

    def follow(self, head: Head) -> None:
        """Go on behind a head that is kept elsewhere, and know of it from now on."""
        self.head = head
        self._write_head()

    def append(self, decision: AnyDecision) -> Entry:
        """Write one decision and wait until it is on disk."""
        body, texts = seal(decision)
        number = self.head.number + 1
        line, digest = encode(number, self.head.hash, body, texts)
        is_new = not self.path.exists()
        with self.path.open("ab", buffering=0) as file:  # nothing waits to be written behind a truncation
            start = file.seek(0, os.SEEK_END)
            try:
                while line:
                    line = line[file.write(line) :]
                os.fsync(file.fileno())
            except OSError:
                os.truncate(self.path, start)  # half a line would stand before the next one
                raise
            end = file.tell()
        if is_new:
            fsync_dir(self.path.parent)  # else a power cut may take the whole file
        self.head = Head(number, digest)
        with suppress(OSError):  # the line is on disk and counts; a head that lags behind says nothing wrong
            self._write_head()
        return Entry(number, digest, decision, end)

    def _adopt(self, reading: Reading) -> None:
        data = self.path.read_bytes()
        self.head = Head(reading.old_lines, FIRST)
        record = LogAdopted(
            bytes=len(data),
            lines=reading.old_lines,
            sha256=hashlib.sha256(data).hexdigest(),
            created=time.time(),
        )
        reading.entries.append(self.append(record))
        reading.head = self.head

    def _end_last_line(self) -> None:
        """What is appended must begin a line of its own, also after a line that was cut."""
        if not self.path.exists() or not self.path.stat().st_size:
            return
        with self.path.open("rb+") as file:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":
                file.write(b"\n")

    def _put_aside(self, count: int) -> None:
        """Move an unacknowledged end to a file of its own: nothing is deleted, and what follows begins a new line."""
        size = self.path.stat().st_size
        with self.path.open("rb+") as file:
            file.seek(size - count)
            torn = self.path.with_name(f"{self.path.name}.torn-{time.time_ns()}")
            torn.write_bytes(file.read())
            file.truncate(size - count)
            os.fsync(file.fileno())

    def _write_head(self) -> None:
        check = hash_of(self.head.number, self.head.hash, {})
        write_json(
            self.head_path, {"number": self.head.number, "hash": self.head.hash, "check": check}, durable=False
        )

    def _read_head(self) -> tuple[Head | None, str]:
        """The head that was written last, None where there is none; and what is wrong with it."""
        try:
            found = json.loads(self.head_path.read_bytes())
            head = Head(found["number"], found["hash"])
            if found["check"] == hash_of(head.number, head.hash, {}):
                return head, ""
        except FileNotFoundError:
            return None, ""
        except (OSError, ValueError, KeyError, TypeError):
            pass
        return (
            None,
            f"{self.head_path.name} is damaged: whether the end of {self.path.name} was cut can't be told by it",
        )


def read(path: Path, acknowledged: Head | None = None) -> Reading:
    """Read a log from its beginning; every line that can't be trusted is named with what is in doubt."""
    reading = Reading()
    lines = list(_lines(path))
    place = 0
    while place < len(lines) and _is_old(lines[place][0]):
        line, end = lines[place]
        place += 1
        reading.old_lines, reading.old_bytes = place, end
        _take_old(reading, place, line, end)
    reading.only_old = bool(lines) and place == len(lines)
    reading.head = Head(reading.old_lines, FIRST)
    expected = reading.head
    for offset, (line, end) in enumerate(lines[place:], place + 1):
        expected = _take(reading, offset, line, end, expected, last=end == lines[-1][1], acknowledged=acknowledged)
    _check_adoption(path, reading)
    _check_end(path, reading, acknowledged)
    return reading


def _lines(path: Path) -> Iterator[tuple[bytes, int]]:
    if not path.exists():
        return
    end = 0
    with path.open("rb") as file:
        for line in file:
            end += len(line)
            yield line, end


def _is_old(line: bytes) -> bool:
    """Whether a line is of 0.1.0; those of today begin with their number."""
    begins = b'{"n":'
    return not line.startswith(begins) and not (
        begins.startswith(line) and line
    )  # nor one torn within its first bytes


def _take_old(reading: Reading, number: int, line: bytes, end: int) -> None:
    try:
        reading.entries.append(Entry(number, "", read_decision(json.loads(line)), end))
    except (ValueError, DataError, RecursionError) as exc:
        reason = exc if isinstance(exc, DataError) else "it is no record"
        reading.findings.append(
            f"line {number} of the log of decisions can't be read ({reason}); what it said is lost"
        )


def _take(
    reading: Reading,
    place: int,
    line: bytes,
    end: int,
    expected: Head,
    *,
    last: bool,
    acknowledged: Head | None,
) -> Head:
    """Read one line of the chain; returns what the next must follow."""
    try:
        if not line.endswith(b"\n"):
            raise DataError("it is not whole")
        number, previous, digest, body = decode(line)
        decision = read_decision(body)
    except DataError as exc:
        known = acknowledged.number if acknowledged is not None else 0
        if last and not line.endswith(b"\n") and reading.head.number >= known:
            reading.torn = len(line)  # a crash while it was written: nobody was told that it is kept
            return expected
        reading.findings.append(
            f"line {place} of the log of decisions is damaged: {exc}; the decision that it held is in doubt"
        )
        return Head(expected.number + 1, UNKNOWN)
    # behind a damaged line the next number is known but for that line: it held one, or was put in
    first = expected.number if expected.hash == UNKNOWN else expected.number + 1
    if number > expected.number + 1:
        gone = f"{expected.number + 1} to {number - 1} are" if number > expected.number + 2 else f"{number - 1} is"
        reading.findings.append(f"decision{'s' if ' to ' in gone else ''} {gone} missing from the log")
    elif number < first or expected.hash not in (UNKNOWN, previous):
        reading.findings.append(
            f"line {place} of the log of decisions (number {number}) does not follow the line before it; "
            "one of the two was changed or put in"
        )
    reading.entries.append(Entry(number, digest, decision, end))
    reading.head = Head(number, digest)
    return reading.head


def _check_adoption(path: Path, reading: Reading) -> None:
    """The lines of 0.1.0 against the sha256 under which they were taken over."""
    chained = [entry.decision for entry in reading.entries if entry.hash]
    if reading.old_lines and chained and not any(isinstance(each, LogAdopted) for each in chained):
        reading.findings.append(
            f"the first {reading.old_lines} lines of the log of decisions are in the form of 0.1.0, and nothing says "
            "that this version took them over: they may have been written in place of others"
        )
    for entry in reading.entries:
        if isinstance(entry.decision, LogAdopted):
            with path.open("rb") as file:
                found = hashlib.sha256(file.read(entry.decision.bytes)).hexdigest()
            if found != entry.decision.sha256 or reading.old_lines != entry.decision.lines:
                reading.findings.append(
                    f"the first {entry.decision.lines} lines of the log of decisions are not as they were when this "
                    "version took them over; one of the decisions in them is in doubt"
                )


def _check_end(path: Path, reading: Reading, acknowledged: Head | None) -> None:
    """The newest line against the head that stands elsewhere."""
    if acknowledged is not None:
        reading.findings += cut(reading, acknowledged, "its head file")


def cut(reading: Reading, known: Head, by: str) -> list[str]:
    """What is wrong with the end of a log, seen from a head that is kept elsewhere."""
    if known.number > reading.head.number:
        first = reading.head.number + 1
        which = f"decision {first} is" if first == known.number else f"decisions {first} to {known.number} are"
        return [f"the log of decisions was cut: {which} missing, which {by} knows of"]
    for entry in reading.entries:
        if entry.number == known.number and (entry.hash or FIRST) != known.hash:
            return [f"decision {known.number} in the log is another than the one that {by} knows of"]
    return []
