"""What a database remembers: every decision it has read, by number and hash, the runs it knows, and what is in doubt.

The log is compared with it at each start, so that a line that was damaged and mended is applied, and one that is
missing or another is said for as long as it is.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from kdcore.records.decisions import DoubtsSettled
from kdcore.settings import Workspace
from kdcore.store.engine.chain import FIRST
from kdcore.store.engine.db import Store, read_closed
from kdcore.store.engine.log_reading import Head, Reading, cut
from kdcore.store.engine.migrations import Cursor

_SEEN = "SELECT number, hash, applied FROM decisions_seen"
_HEAD = "SELECT number, hash FROM decisions_head"
_RUNS = "SELECT run_id FROM runs"
_DOUBTS = "SELECT sentence FROM doubts"
_SETTLED = "SELECT sentence FROM settled"


NONE = Head()


@dataclass(frozen=True, slots=True)
class Known:
    """``seen``: number → hash; ``applied``: those in the tables; ``head``: the newest of all."""

    head: Head = NONE
    seen: dict[int, str] = field(default_factory=dict[int, str])
    applied: frozenset[int] = frozenset()
    runs: tuple[str, ...] = ()
    doubts: tuple[str, ...] = ()
    settled: frozenset[str] = frozenset()  # what somebody has answered for

    def gone(self, reading: Reading) -> list[int]:
        """Numbers that the log lacks, without a finding that speaks of them."""
        return sorted(self.seen.keys() - reading.numbers.keys() - reading.told)

    def forked(self, reading: Reading) -> int | None:
        """The first number under which the log holds another decision."""
        both = self.seen.keys() & reading.numbers.keys()
        return min((n for n in both if reading.numbers[n] and self.seen[n] != reading.numbers[n]), default=None)


def known_of(store: Store) -> Known:
    """What an open database remembers."""
    return _known(*(list(store.tuples(sql)) for sql in (_HEAD, _SEEN, _RUNS, _DOUBTS, _SETTLED)))


def known_of_closed(database: Path) -> Known | None:
    """What a database remembers that nobody has open; None where it can't be read."""
    found = read_closed(database, (_HEAD, _SEEN, _RUNS, _DOUBTS, _SETTLED))
    if found is not None:
        return _known(*found)
    older = read_closed(database, (_HEAD, _RUNS))  # of a version before
    return None if older is None else _known(older[0], [], older[1], [], [])


def _known(
    head: Sequence[tuple[object, ...]],
    seen: Sequence[tuple[object, ...]],
    runs: Sequence[tuple[object, ...]],
    doubts: Sequence[tuple[object, ...]],
    settled: Sequence[tuple[object, ...]],
) -> Known:
    number, digest = head[0] if head else (0, FIRST)
    return Known(
        Head(int(str(number)), str(digest)),
        {int(str(row[0])): str(row[1]) for row in seen},
        frozenset(int(str(row[0])) for row in seen if row[2]),
        tuple(str(row[0]) for row in runs),
        tuple(str(row[0]) for row in doubts),
        frozenset(str(row[0]) for row in settled),
    )


def note(tx: Cursor, seen: dict[int, str], *, applied: bool) -> None:
    """Remember some decisions by number and hash."""
    tx.execute("DELETE FROM decisions_seen WHERE number IN (SELECT unnest(?))", [list(seen)])
    tx.execute(
        "INSERT INTO decisions_seen SELECT unnest(?), unnest(?), ?", [list(seen), list(seen.values()), applied]
    )


def settle(tx: Cursor, settled: DoubtsSettled, seq: int) -> None:
    """Somebody answers for what is in doubt: it is not said any more."""
    for sentence in settled.sentences:
        tx.execute("DELETE FROM settled WHERE sentence = ?", [sentence])
        tx.execute("INSERT INTO settled VALUES (?)", [sentence])


def doubt(store: Store, sentences: Collection[str]) -> None:
    """Say something at every start from now on, until somebody settles it."""
    with store.transaction() as tx:
        for sentence in sentences:
            tx.execute("DELETE FROM doubts WHERE sentence = ?", [sentence])
            tx.execute("INSERT INTO doubts VALUES (?)", [sentence])


def differences(known: Known, reading: Reading, by: str) -> Iterator[str]:
    """What the log lacks or has otherwise, in sentences. A database of an earlier version knows its newest only."""
    if not known.seen:
        yield from cut(reading, known.head, by)
    for first, last in _ranges(known.gone(reading)):
        which = f"decision {first} is" if first == last else f"decisions {first} to {last} are"
        yield f"the log of decisions was cut: {which} missing, which {by} knows of"
    if (fork := known.forked(reading)) is not None:
        yield (
            f"decision {fork} in the log is another than the one that {by} knows of: the log is not the one that was "
            "written here"
        )


def gone_runs(known: Known, folders: Workspace) -> Iterator[str]:
    """Runs whose folder was deleted, in sentences."""
    for run_id in known.runs:
        if not (folders.runs / run_id).exists():
            yield f"the folder of run {run_id} is gone, and with it what only it held; put it back from a backup"


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
