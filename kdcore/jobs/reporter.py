"""What a worker writes by: journal, metrics, status and heartbeat of one attempt at a run.

A reply is durable within a second of being appended (flushed at once, fsynced by the heartbeat).
The loop and the teachers are handed a reporter; they know no run folder.
"""

from __future__ import annotations

import json
import os
import threading
import time
from dataclasses import replace
from types import TracebackType
from typing import Any

from kdcore.errors import JobError
from kdcore.jobs.processes import identity, mark_of
from kdcore.jobs.run_dir import STOP_FILES, RunDir, fsync_dir, journal_name
from kdcore.jobs.tail import encode_record
from kdcore.records.journal import JournalRecord, TrainStepRecord
from kdcore.records.status import Status
from kdcore.types import RunState

HEARTBEAT_S = 0.5
MIN_FOR_RATE_S = 0.5  # of a phase, before its rate means anything


class Stopped(Exception):
    """The user asked to cancel or pause; raised out of the work, never shown."""

    def __init__(self, asked: str) -> None:
        super().__init__(asked)
        self.state: RunState = "cancelled" if STOP_FILES[asked] == "cancelled" else "paused"


class Reporter:
    """Writes one attempt. Use as a context manager; leaving it writes the final state."""

    def __init__(self, run: RunDir, epoch: int) -> None:
        self.run = run
        self.epoch = epoch
        self._lock = threading.Lock()
        self._status_lock = threading.Lock()
        self._refuse_if_superseded()
        self._journal = (run.path / journal_name(epoch)).open("ab")
        self._metrics = (run.path / "metrics.jsonl").open("ab")
        fsync_dir(run.path)  # else a power cut may take the new files whole
        self._seq = 0
        self._dirty = False
        self._failure: OSError | None = None
        self._last_word = ""
        self._pace: tuple[int, float] | None = None  # units done and when, at the first word of a phase
        self._closing = threading.Event()
        me = os.getpid()
        self._status = Status(
            "running", me, epoch=epoch, message="starting", updated=time.time(), identity=identity(me),
            mark=mark_of(run.run_id, epoch),
        )  # fmt: skip
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)

    def __enter__(self) -> Reporter:
        self._refuse_if_superseded()
        self._write_status()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._sync()
        if not isinstance(error, Stopped) and error is not None:
            self._status = replace(self._status, state="failed", message=str(error) or type(error).__name__)
        elif isinstance(error, Stopped):
            self._status = replace(self._status, state=error.state, message="stopped as asked")
        else:
            self._status = replace(self._status, state="done", message=self._last_word)
        self._status = replace(self._status, journal_bytes=self._journal.tell())
        self._write_status(durable=True)
        self._journal.close()
        self._metrics.close()

    def append(self, record: JournalRecord) -> None:
        """Add one record to the journal."""
        body = record.body()
        with self._lock:
            self._seq += 1
            self._journal.write(encode_record(self._seq, self.epoch, body))
            self._journal.flush()
            self._dirty = True

    def metric(self, step: int, split: str, values: dict[str, float]) -> None:
        """Add one point to each named curve."""
        now = time.time()
        lines = [
            json.dumps(
                {
                    "attempt": self.epoch,
                    "step": step,
                    "split": split,
                    "name": name,
                    "value": value,
                    "time": now,
                }
            )
            for name, value in values.items()
        ]
        with self._lock:
            self._metrics.write(("\n".join(lines) + "\n").encode())
            self._metrics.flush()
            self._dirty = True

    def learnt(self, step: int, losses: list[tuple[str, int, float]]) -> None:
        """Say which rows a training step was made of: (sample, slice, loss) each."""
        self.append(TrainStepRecord(attempt=self.epoch, step=step, rows=losses))

    def phase(self, message: str, state: RunState = "running") -> None:
        """Say in plain words what the run is doing now."""
        self._pace = None
        self._set(state=state, message=message)

    def conclude(self, message: str) -> None:
        """Say what stays on the run when it is done, such as why it ended early."""
        self._last_word = message

    def progress(self, done: int, total: int, unit: str, **extra: Any) -> None:
        """Say how far the run is; the ``rate`` (units a second) is that of this phase unless it is given."""
        now = time.monotonic()
        if self._pace is None or done < self._pace[0]:
            self._pace = done, now  # what was there before this phase was not made in it
        elapsed = now - self._pace[1]
        rate = (done - self._pace[0]) / elapsed if elapsed > MIN_FOR_RATE_S else None
        known = {"done": done, "total": total, "unit": unit, "time": time.time()}
        self._set(progress={**known, **({"rate": rate} if rate else {}), **extra})

    def check_stop(self) -> None:
        """Raise Stopped if the user asked to cancel or pause, JobError if nothing more can be written."""
        if self._failure is not None:
            raise JobError(f"the run folder can't be written ({self._failure}); free some disk and resume.")
        asked = self.run.asked()
        if asked is not None:
            raise Stopped(asked)

    def _refuse_if_superseded(self) -> None:
        current = self.run.status().epoch
        if current > self.epoch:
            raise JobError(f"run {self.run.run_id} was taken over by attempt {current}; this attempt must not write.")
        if journal_name(self.epoch) in self.run.seals():
            raise JobError(f"attempt {self.epoch} of run {self.run.run_id} is over: its journal is sealed.")

    def _beat(self) -> None:
        while not self._closing.wait(HEARTBEAT_S):
            if self.run.status().epoch > self.epoch:
                os._exit(75)  # a newer attempt owns the run: nothing this process writes counts any more
            try:
                self._sync()
                self._write_status()
                self._failure = None
            except OSError as exc:  # most often a full disk: the work is told, and the heart beats on
                self._failure = exc

    def _sync(self) -> None:
        with self._lock:
            if not self._dirty:
                return
            self._dirty = False
            for file in (self._journal, self._metrics):
                file.flush()
                os.fsync(file.fileno())

    def _write_status(self, *, durable: bool = False) -> None:
        self._set(heartbeat=self._status.heartbeat + 1, updated=time.time())
        self.run.write_status(self._status, durable=durable)

    def _set(self, **changes: Any) -> None:
        """Change the status; both the work and the heartbeat do."""
        with self._status_lock:
            self._status = replace(self._status, **changes)
