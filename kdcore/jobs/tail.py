"""Read journals and metrics while they grow: whole lines only, from a byte offset, checked by crc."""

from __future__ import annotations

import json
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdcore.jobs.run_dir import RunDir

READ_LIMIT = 16 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Record:
    """One good line of a journal."""

    seq: int
    epoch: int
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class BadLine:
    """A line that can't be trusted, kept so that a person can see it."""

    offset: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Chunk:
    """What was read from one file: records, bad lines, and where to go on."""

    records: list[Record]
    bad: list[BadLine]
    offset: int


def encode_record(seq: int, epoch: int, body: dict[str, Any]) -> bytes:
    """One journal line. The crc covers seq, epoch and body as they are written."""
    text = json.dumps(body, ensure_ascii=True, separators=(",", ":"))
    crc = zlib.crc32(f"{seq}:{epoch}:{text}".encode())
    return f'{{"seq":{seq},"epoch":{epoch},"crc":{crc},"body":{text}}}\n'.encode()


def decode_record(line: bytes) -> Record:
    """Read one journal line; raise ValueError with the reason if it can't be trusted."""
    head, separator, tail = line.rstrip(b"\n").partition(b',"body":')
    if not separator or not tail.endswith(b"}"):
        raise ValueError("not a journal record")
    fields = json.loads(head + b"}")
    text = tail[:-1]
    if zlib.crc32(b"%d:%d:%b" % (fields["seq"], fields["epoch"], text)) != fields["crc"]:
        raise ValueError("checksum does not match")
    return Record(fields["seq"], fields["epoch"], json.loads(text))


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
    records: list[Record] = []
    bad: list[BadLine] = []
    position = offset
    for line in data.splitlines(keepends=True):
        try:
            records.append(decode_record(line))
        except (ValueError, KeyError) as exc:
            bad.append(BadLine(position, str(exc), line[:2000].decode("utf-8", "replace")))
        position += len(line)
    return Chunk(records, bad, new_offset)


def read_metrics(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Read whole lines of ``metrics.jsonl`` from ``offset``; a line that is no JSON is passed over."""
    if not path.exists():
        return [], offset
    data, new_offset = _whole_lines(path, offset, None)
    rows: list[dict[str, Any]] = []
    for line in data.splitlines():
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue  # torn by a crash in the middle of a line: that one value is lost, the curve is not
    return rows, new_offset


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
