"""Read journals and metrics while they grow: whole lines only, from a byte offset, checked by crc."""

from __future__ import annotations

import json
import re
import zlib
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from kdcore.errors import DataError
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import JournalRecord, read_record
from kdcore.records.runs import NewPoint

READ_LIMIT = 16 * 1024 * 1024
POINT = frozenset(NewPoint.__annotations__)


@dataclass(frozen=True, slots=True)
class Record:
    """One good line of a journal; ``offset`` is where it begins."""

    seq: int
    epoch: int
    body: dict[str, Any]
    offset: int = 0


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that can't be trusted, kept so that a person can see it."""

    offset: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read from one file, line by line, and where to go on."""

    lines: list[Record | BadLine]
    offset: int

    @property
    def records(self) -> list[Record]:
        """The good lines."""
        return [line for line in self.lines if isinstance(line, Record)]

    @property
    def bad(self) -> list[BadLine]:
        """The others."""
        return [line for line in self.lines if isinstance(line, BadLine)]


def encode_record(seq: int, epoch: int, body: dict[str, Any]) -> bytes:
    """One journal line. The crc covers seq, epoch and body as they are written."""
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
    crc = zlib.crc32(f"{seq}:{epoch}:{text}".encode())
    return f'{{"seq":{seq},"epoch":{epoch},"crc":{crc},"body":{text}}}\n'.encode()


_HEAD = re.compile(rb'\{"seq":(\d{1,18}),"epoch":(\d{1,18}),"crc":(\d{1,10})')


def decode_record(line: bytes, offset: int = 0) -> Record:
    """Read one journal line, which begins at ``offset``; raise ValueError with the reason if it can't be trusted."""
    head, separator, tail = line.rstrip(b"\n").partition(b',"body":')
    numbers = _HEAD.fullmatch(head)
    if not separator or numbers is None or not tail.endswith(b"}"):
        raise ValueError("not a journal record")
    seq, epoch, crc = (int(number) for number in numbers.groups())
    text = tail[:-1]
    if zlib.crc32(b"%d:%d:%b" % (seq, epoch, text)) != crc:
        raise ValueError("checksum does not match")
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as exc:
        raise ValueError("its body is no JSON") from exc
    if not isinstance(body, dict):
        raise ValueError("its body is no object")
    return Record(seq, epoch, cast("dict[str, Any]", body), offset)


def _whole_lines(path: Path, offset: int, limit: int | None) -> tuple[bytes, int]:
    """Bytes of whole lines from ``offset``, at most READ_LIMIT unless one line is longer."""
    size = path.stat().st_size if limit is None else min(limit, path.stat().st_size)
    if offset >= size:
        return b"", offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read(min(size - offset, READ_LIMIT))
        if b"\n" not in data and len(data) == READ_LIMIT:
            data += file.read(size - offset - len(data))
    end = data.rfind(b"\n") + 1
    return data[:end], offset + end


def read_journal(path: Path, offset: int = 0, limit: int | None = None) -> Chunk:
    """Read from ``offset``; a torn last line waits for its rest, a bad line is set aside."""
    data, new_offset = _whole_lines(path, offset, limit)
    lines: list[Record | BadLine] = []
    position = offset
    for line in data.split(b"\n")[:-1]:
        try:
            lines.append(decode_record(line, position))
        except ValueError as exc:
            lines.append(BadLine(position, str(exc), shown(line)))
        position += len(line) + 1
    return Chunk(lines, new_offset)


def shown(line: bytes) -> str:
    """As much of a damaged line as a person needs to see."""
    return line[:2000].decode("utf-8", "replace")


def read_metrics(path: Path, offset: int = 0) -> tuple[list[NewPoint], int]:
    """Read whole lines of ``metrics.jsonl`` from ``offset``; a line that is no point of a curve is passed over."""
    if not path.exists():
        return [], offset
    data, new_offset = _whole_lines(path, offset, None)
    rows: list[NewPoint] = []
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            continue  # torn by a crash in the middle of a line: that one value is lost, the curve is not
        if _is_point(row):
            rows.append(cast("NewPoint", {name: row[name] for name in POINT}))
    return rows, new_offset


_NUMBER = (int, float)
_POINT_TYPES: dict[str, type | tuple[type, ...]] = {
    "attempt": int, "step": int, "split": str, "name": str, "value": _NUMBER, "time": _NUMBER,
}  # fmt: skip


def _is_point(row: Any) -> bool:
    """Whether a line is a point of a curve: each field there, and of its type."""
    if not isinstance(row, dict):
        return False
    found = cast("dict[str, Any]", row)
    typed = all(
        isinstance(found.get(name), kind) and not isinstance(found.get(name), bool)
        for name, kind in _POINT_TYPES.items()
    )
    return typed and all(abs(found[name]) < 2**31 for name in ("attempt", "step"))


R = TypeVar("R", bound=JournalRecord)


def records_of(run: RunDir, kind: type[R]) -> list[R]:
    """Every record of one kind that fits its type, oldest first."""
    found: list[R] = []
    for record in all_records(run):
        if record.body.get("kind") == kind.kind:
            with suppress(DataError):  # ingest sets it aside and says so
                found.append(cast(R, read_record(record.body)))
    return found


def all_records(run: RunDir) -> list[Record]:
    """Every trusted record of a run, oldest first, up to the seals."""
    seals = run.seals()
    records: list[Record] = []
    for journal in run.journals():
        offset = 0
        while True:
            chunk = read_journal(journal, offset, seals.get(journal.name))
            records.extend(chunk.records)
            if chunk.offset == offset:
                break
            offset = chunk.offset
    return records
