"""The log of what people decided, one line each, on disk before the database hears of it.

With the run folders it is enough to rebuild the database (``services.workspace.rebuild``), so it must not change
without a word. Each line is numbered and carries the hash of the one before; its own hash covers the number and the
record, in which every text a person wrote stands as a salted digest. The text itself stands beside it, so that it can
be erased one day and the chain still holds. A line must be, byte for byte, what this file would write: any other is
damaged. The newest number and hash stand also in a head file and in the database; a log shorter than either was cut.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import time
from contextlib import suppress
from pathlib import Path

from kdcore.jobs.run_dir import fsync_dir, write_json
from kdcore.records.decisions import AnyDecision, LogAdopted
from kdcore.store.engine.chain import FIRST, encode, hash_of, seal
from kdcore.store.engine.log_reading import Entry, Head, Reading, read


# ---- the file -----------------------------------------------------------------------------------------------
class DecisionLog:
    """The file and its head file. Whoever appends holds one lock over this and the database."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.head_path = path.with_suffix(".head.json")
        self.head = Head()
        self._end = 0  # of the last whole line; what stands behind it was not acknowledged

    def check(self) -> Reading:
        """Read and check the whole log, and change nothing."""
        acknowledged, problem = self._read_head()
        reading = read(self.path, acknowledged)
        numbered = sum(1 for entry in reading.entries if entry.hash)
        if acknowledged is None and not problem and numbered > 1:  # after the first line a crash may come before it
            problem = f"{self.head_path.name} is missing: {_after(reading)}"
        elif problem:
            problem = f"{self.head_path.name} is damaged: {_after(reading)}"
        if problem:
            reading.findings.append(problem)
        return reading

    def open(self) -> Reading:
        """Read and check the whole log, put a torn end aside, adopt a log of 0.1.0; then ``append`` may be called."""
        acknowledged, _ = self._read_head()
        reading = self.check()
        self._end = (self.path.stat().st_size if self.path.exists() else 0) - reading.torn
        with suppress(OSError):  # a failing disk can be read from; ``append`` tries again before it writes
            self._make_ready()
        behind = acknowledged is not None and acknowledged.number > reading.head.number
        self.head = acknowledged if behind and acknowledged is not None else reading.head
        chained = any(entry.hash for entry in reading.entries)
        if reading.old_lines and not chained and (acknowledged is None or acknowledged.hash == FIRST):
            try:
                self._adopt(reading)
            except OSError as exc:
                reading.findings.append(
                    f"the log of decisions of 0.1.0 can't be taken over now ({exc.strerror or exc}): it stays "
                    "unguarded until the next start"
                )
        elif self.head.number:
            self._keep_head()
        return reading

    def follow(self, head: Head) -> None:
        """Go on behind a head that is kept elsewhere, and know of it from now on."""
        self.head = head
        self._keep_head()

    def append(self, decision: AnyDecision) -> Entry:
        """Write one decision and wait until it is on disk. Raises OSError; nothing of it counts then."""
        body, texts = seal(decision)
        number = self.head.number + 1
        line, digest = encode(number, self.head.hash, body, texts)
        is_new = not self.path.exists()
        self._make_ready()
        with self.path.open("ab", buffering=0) as file:  # nothing waits to be written behind a truncation
            try:
                left = line
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError:
                with suppress(OSError):  # where not even this goes, the next ``append`` puts the half line aside
                    os.truncate(self.path, self._end)
                raise
        self._end += len(line)
        if is_new:
            fsync_dir(self.path.parent)  # else a power cut may take the whole file
        self.head = Head(number, digest)
        self._keep_head()
        return Entry(number, digest, decision, self._end)

    def _make_ready(self) -> None:
        """The file ends with a whole line: what is behind it, a half one, goes aside. Raises OSError."""
        size = self.path.stat().st_size if self.path.exists() else 0
        if size < self._end:
            raise OSError(errno.EIO, "the log is shorter than it was; restart the app to see what is missing")
        if size > self._end:
            self._put_aside(size - self._end)
        if self._end:
            self._end_last_line()

    def _adopt(self, reading: Reading) -> None:
        data = self.path.read_bytes()
        self.head = Head(reading.old_lines, FIRST)
        record = LogAdopted(
            bytes=len(data),
            lines=reading.old_lines,
            sha256=hashlib.sha256(data).hexdigest(),
            created=time.time(),
        )
        reading.add(self.append(record))

    def _end_last_line(self) -> None:
        """What is appended must begin a line of its own, also after a line that was cut."""
        with self.path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            is_ended = file.read(1) == b"\n"
        if not is_ended:
            with self.path.open("ab", buffering=0) as file:
                self._end += file.write(b"\n")

    def _put_aside(self, count: int) -> None:
        """Move an unacknowledged end to a file of its own: nothing is deleted, and what follows begins a new line."""
        size = self.path.stat().st_size
        with self.path.open("rb+") as file:
            file.seek(size - count)
            torn = self.path.with_name(f"{self.path.name}.torn-{time.time_ns()}")
            torn.write_bytes(file.read())
            file.truncate(size - count)
            os.fsync(file.fileno())

    def _keep_head(self) -> None:
        """The lines are on disk and count; a head that lags behind them says nothing wrong."""
        check = hash_of(self.head.number, self.head.hash, {})
        with suppress(OSError):
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
        return None, "damaged"


def _after(reading: Reading) -> str:
    return f"whether anything came after decision {reading.head.number} can't be told by it"
