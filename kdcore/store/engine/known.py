"""What a database remembers: every decision it has read, by number and hash, the runs it knows, and what is in doubt.

The log is compared with it at each start, so that a line that was damaged and mended is applied, and one that is
missing or another is said for as long as it is, or until somebody answers for it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdcore.records.decisions import AnyDecision, DoubtsEnded, DoubtsSettled
from kdcore.settings import Workspace
from kdcore.store.engine.chain import FIRST
from kdcore.store.engine.db import Store, read_closed
from kdcore.store.engine.log_reading import Head, Reading, another, cut, missing
from kdcore.store.engine.migrations import Cursor

Row = tuple[object, ...]
_HEAD = "SELECT number, hash FROM decisions_head"
_RUNS = "SELECT run_id FROM runs"
_ALL = (
    _HEAD,
    "SELECT number, hash, applied FROM decisions_seen",
    "SELECT number, hash FROM decisions_before",
    f"{_RUNS} UNION SELECT run_id FROM known_runs",
    "SELECT sentence FROM doubts",
)
NONE = Head()


@dataclass(frozen=True, slots=True)
class Known:
    """``seen``: number → hash; ``applied``: those in the tables; ``head``: the newest of all.

    ``before`` is what an earlier database had read under some numbers, where the log has another decision.
    """

    head: Head = NONE
    seen: dict[int, str] = field(default_factory=dict[int, str])
    applied: frozenset[int] = frozenset()
    before: dict[int, str] = field(default_factory=dict[int, str])
    runs: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()

    def gone(self, reading: Reading) -> list[int]:
        """Numbers that the log lacks, without a finding that speaks of them."""
        return sorted(self.seen.keys() - reading.numbers.keys() - reading.told)

    def forked(self, reading: Reading) -> int | None:
        """The first number under which the log holds another decision."""
        return min(_others(self.seen, reading), default=None)


def known_of(store: Store) -> Known:
    """What an open database remembers."""
    return _known([store.tuples(sql) for sql in _ALL])


def known_of_closed(database: Path) -> Known | None:
    """What a database remembers that nobody has open; None where it can't be read."""
    found = read_closed(database, _ALL)
    if found is not None:
        return _known(found)
    older = read_closed(database, (_HEAD, _RUNS))  # of a version before, which knew its newest decision only
    if older is None:
        return None
    seen = [(number, "" if digest == FIRST else digest, True) for number, digest in older[0]]
    return _known([older[0], seen, [], older[1], []])


def known_before(folders: Workspace) -> Known | None:
    """What the newest database remembers that was set aside; None where there is none that knows anything."""
    aside = folders.root.glob(f"{folders.database.stem}-*{folders.database.suffix}")
    for path in sorted(aside, key=lambda path: path.stat().st_mtime_ns, reverse=True):
        known = known_of_closed(path)
        if known is not None and (known.head.number or known.runs):
            return known
    return None


def _known(found: Sequence[Sequence[Row]]) -> Known:
    head, seen, before, runs, doubts = found
    number, digest = head[0] if head else (0, FIRST)
    return Known(
        Head(int(str(number)), str(digest)),
        {int(str(row[0])): str(row[1]) for row in seen},
        frozenset(int(str(row[0])) for row in seen if row[2]),
        {int(str(row[0])): str(row[1]) for row in before},
        tuple(str(row[0]) for row in runs),
        tuple(str(row[0]) for row in doubts),
    )


def _others(hashes: dict[int, str], reading: Reading) -> list[int]:
    both = hashes.keys() & reading.numbers.keys()
    return [n for n in both if reading.numbers[n] and hashes[n] and hashes[n] != reading.numbers[n]]


def note(tx: Cursor, seen: dict[int, str], *, applied: bool) -> None:
    """Remember some decisions by number and hash."""
    tx.execute("DELETE FROM decisions_seen WHERE number IN (SELECT unnest(?))", [list(seen)])
    tx.execute(
        "INSERT INTO decisions_seen SELECT unnest(?), unnest(?), ?", [list(seen), list(seen.values()), applied]
    )


def carry(tx: Cursor, before: Known, reading: Reading) -> None:
    """Remember what an earlier database knew and this log does not bear out, before anything is taken from it.

    Where the log is again what a still earlier one had read, the one between was the wrong one: it is forgotten.
    """
    gone = before.gone(reading)
    if gone and len(before.seen) == 1:  # of a version before: what lies below its newest is gone with it
        gone = list(range(reading.head.number + 1, gone[-1] + 1))
    note(tx, {number: before.seen.get(number, "") for number in gone}, applied=False)
    fork = before.forked(reading)
    others = {number: before.before[number] for number in _others(before.before, reading)}
    if fork is not None and before.before.get(fork) != reading.numbers[fork]:
        others.setdefault(fork, before.seen[fork])
    tx.execute("INSERT INTO decisions_before SELECT unnest(?), unnest(?)", [list(others), list(others.values())])
    tx.execute("INSERT INTO known_runs SELECT unnest(?)", [list(before.runs)])
    for sentence in before.doubts:
        doubt(tx, sentence)


def doubt(tx: Cursor, sentence: str) -> None:
    """Say something at every start from now on, until somebody answers for it."""
    tx.execute("DELETE FROM doubts WHERE sentence = ?", [sentence])
    tx.execute("INSERT INTO doubts VALUES (?)", [sentence])


def differences(known: Known, reading: Reading) -> Iterator[str]:
    """What the log lacks or has otherwise, in sentences. A database of an earlier version knows its newest only."""
    if not known.seen:
        yield from cut(reading, known.head)
    for first, last in _ranges(known.gone(reading)):
        yield missing(first, last)
    others = [*_others(known.seen, reading), *_others(known.before, reading)]
    if others:
        yield another(min(others))


def gone_runs(known: Known, folders: Workspace) -> Iterator[str]:
    """Runs whose folder was deleted, in sentences."""
    for run_id in known.runs:
        if not (folders.runs / run_id).exists():
            yield (
                f"the folder of run {run_id} is gone, and with it what only it held; put it back from a backup, or "
                "answer for it by kd settle"
            )


def settled_in(decisions: Collection[AnyDecision]) -> tuple[frozenset[str], frozenset[str]]:
    """What somebody has answered for: what each start finds and has not gone away since, and places of runs."""
    sentences: set[str] = set()
    places: set[str] = set()
    for decision in decisions:
        if isinstance(decision, DoubtsSettled):
            sentences |= {*decision.sentences}
            places |= {*decision.places}
        elif isinstance(decision, DoubtsEnded):
            sentences -= {*decision.sentences}
    return frozenset(sentences), frozenset(places)


def _ranges(numbers: Sequence[int]) -> Iterator[tuple[int, int]]:
    first = last = None
    for number in numbers:
        if first is None or last is None or number != last + 1:
            if first is not None and last is not None:
                yield first, last
            first = number
        last = number
    if first is not None and last is not None:
        yield first, last
