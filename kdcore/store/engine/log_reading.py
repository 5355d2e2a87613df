"""A log of decisions as it stands in its file: the lines that can be trusted, and what is wrong with the others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from kdcore.errors import DataError
from kdcore.records.decisions import AnyDecision, LogAdopted, read_decision
from kdcore.store.engine.chain import FIRST, UNKNOWN, decode


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
    told: set[int] = field(default_factory=set[int])  # numbers that a finding speaks of
    torn: int = 0  # bytes at the end that nobody was told were kept
    old_lines: int = 0  # of 0.1.0, at the beginning
    old_bytes: int = 0
    only_old: bool = False  # a log that this version has not written to yet
    numbers: dict[int, str] = field(default_factory=dict[int, str])  # of the entries, with their hashes

    def add(self, entry: Entry) -> None:
        """Take a line in."""
        self.entries.append(entry)
        self.numbers[entry.number] = entry.hash
        if entry.hash and entry.number > self.head.number:
            self.head = Head(entry.number, entry.hash)


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
        reading.add(Entry(number, "", read_decision(json.loads(line)), end))
    except (ValueError, DataError, RecursionError) as exc:
        reason = exc if isinstance(exc, DataError) else "it is no record"
        reading.findings.append(
            f"line {number} of the log of decisions can't be read ({reason}); what it said is lost"
        )
        reading.told.add(number)


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
        reading.told.add(expected.number + 1)
        return Head(expected.number + 1, UNKNOWN)
    # behind a damaged line the next number is known but for that line: it held one, or was put in
    first = expected.number if expected.hash == UNKNOWN else expected.number + 1
    if number > expected.number + 1:
        reading.findings.append(missing(expected.number + 1, number - 1))
        reading.told |= set(range(expected.number + 1, number))
    elif number < first or expected.hash not in (UNKNOWN, previous):
        reading.findings.append(
            f"line {place} of the log of decisions (number {number}) does not follow the line before it; "
            "one of the two was changed or put in"
        )
    if number not in reading.numbers:  # else what stood there first holds, and the finding tells of this one
        reading.add(Entry(number, digest, decision, end))
    return expected if number < first else Head(number, digest)


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
                    f"version took them over (now {found[:12]}); one of the decisions in them is in doubt"
                )


def _check_end(path: Path, reading: Reading, acknowledged: Head | None) -> None:
    """The newest line against the head that stands elsewhere."""
    if acknowledged is not None:
        reading.findings += cut(reading, acknowledged)


def cut(reading: Reading, known: Head) -> list[str]:
    """What is wrong with the end of a log, seen from a head that is kept elsewhere."""
    first = reading.head.number + 1
    if known.number >= first and not reading.told.issuperset(range(first, known.number + 1)):
        reading.told |= set(range(first, known.number + 1))
        return [missing(first, known.number)]
    if known.number in reading.numbers and (reading.numbers[known.number] or FIRST) != known.hash:
        return [another(known.number)]
    return []


def missing(first: int, last: int) -> str:
    """The one sentence for decisions that the log lacks, whoever knows of them."""
    which = f"decision {first} is" if first == last else f"decisions {first} to {last} are"
    return f"the log of decisions was cut: {which} missing"


def another(number: int) -> str:
    """The one sentence for a decision that is not the one that was read under its number."""
    return f"decision {number} in the log is another than the one that was written here: the log is not the same one"
