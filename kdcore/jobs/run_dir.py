"""One run folder: its files, their names, and how they are written so that a crash loses nothing.

The rules are in ADR 2 (docs/adr/0002-the-run-folder.md). Readers and writers of the journal are next door
(``reporter`` writes, ``tail`` reads); this file knows only paths and atomic replacement.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar, cast

from kdcore.configs.base import Config, load_config
from kdcore.configs.places import Mounts
from kdcore.errors import JobError
from kdcore.records.status import Status

C = TypeVar("C", bound=Config)
CHECK = "check"  # a field that covers the others of a small file
STOP_FILES = {"cancel": "cancelled", "pause": "paused"}


def fsync_dir(folder: Path) -> None:
    """Make a rename in ``folder`` durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomic(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Replace ``path`` as a whole: a reader sees the old bytes or the new ones, never a part."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        if durable:
            os.fsync(file.fileno())
    os.replace(temporary, path)
    if durable:
        fsync_dir(path.parent)


def journal_name(epoch: int) -> str:
    """The journal of one attempt."""
    return f"journal-{epoch:05d}.jsonl"


def _epoch_of(journal: Path) -> int:
    number = journal.stem.rpartition("-")[2]
    return int(number) if number.isdigit() else 0


def check_of(fields: Mapping[str, Any]) -> int:
    """The crc of a small file's fields: a bit that turns in them is seen."""
    return zlib.crc32(json.dumps(fields).encode())


def write_json(path: Path, value: Any, *, durable: bool = True) -> None:
    """Write ``value`` as JSON with ``write_atomic``."""
    write_atomic(path, json.dumps(value, ensure_ascii=False, indent=1).encode(), durable=durable)


@dataclass(frozen=True, slots=True)
class RunDir:
    """Paths of one run. ``mounts`` tells what the places in its config stand for on this machine."""

    path: Path
    mounts: Mounts | None = None

    @property
    def run_id(self) -> str:
        """The folder's name."""
        return self.path.name

    @property
    def kind(self) -> str:
        """``generate``, ``embed``, …: what the id begins with."""
        return self.run_id.split("-", 1)[0]

    @classmethod
    def create(cls, runs: Path, run_id: str, config: dict[str, Any], mounts: Mounts | None = None) -> RunDir:
        """Make the folder with ``config.json`` and a queued status; raise JobError if it exists."""
        run = cls(runs / run_id, mounts)
        try:
            run.path.mkdir(parents=True)
        except FileExistsError as exc:
            raise JobError(f"run {run_id} exists already; start a new one.") from exc
        write_json(run.path / "config.json", config)
        run.write_status(Status())
        return run

    def config(self) -> dict[str, Any]:
        """The config the run was started with, as it stands in the file; raises JobError where that is damaged."""
        try:
            found = json.loads((self.path / "config.json").read_bytes())
        except FileNotFoundError as exc:
            raise JobError(f"run {self.run_id} has no config.json in {self.path}.") from exc
        except (ValueError, RecursionError) as exc:
            raise JobError(f"the config.json of run {self.run_id} is damaged ({str(exc)[:80]}); restore it.") from exc
        if not isinstance(found, dict):
            raise JobError(f"the config.json of run {self.run_id} is damaged (it is no object); restore it.")
        return cast("dict[str, Any]", found)

    def load(self, kind: type[C]) -> C:
        """The config as ``kind``, its places as folders of this machine; raises ConfigError where it is none."""
        return load_config(kind, self.config(), self.mounts)

    def status(self) -> Status:
        """The last status written; a fresh one where none is there yet.

        One that can't be read is that of a run that failed, after as many attempts as there are journals: a worker
        that lives writes it anew within a second.
        """
        try:
            return self._status()
        except (FileNotFoundError, ValueError, RecursionError) as exc:
            attempts = max(map(_epoch_of, self.journals()), default=0)
            is_gone = isinstance(exc, FileNotFoundError)
            if is_gone and not attempts:
                return Status()
            what = "is gone" if is_gone else f"can't be read ({str(exc)[:80]})"
            message = f"its status {what}; what it wrote is kept, resume goes on from there"
            return Status("failed", epoch=attempts, message=message)

    def status_is_damaged(self) -> bool:
        """Whether a status is there that can't be trusted."""
        try:
            self._status()
        except FileNotFoundError:
            return False
        except (ValueError, RecursionError):
            return True
        return False

    def _status(self) -> Status:
        found: Any = json.loads((self.path / "status.json").read_bytes())
        if isinstance(found, dict) and CHECK in found:
            fields = cast("dict[str, Any]", found)
            if fields.pop(CHECK) != check_of(fields):
                raise ValueError("it is not as it was written")
        return Status.read(found)

    def write_status(self, status: Status, *, durable: bool = False) -> None:
        """Replace ``status.json``."""
        fields = asdict(status)
        write_json(self.path / "status.json", {**fields, CHECK: check_of(fields)}, durable=durable)

    def write_lines(self, name: str, rows: Iterable[Mapping[str, Any]]) -> int:
        """Write an input file of JSON lines as a whole; return the number of rows."""
        lines = [json.dumps(row, ensure_ascii=False) for row in rows]
        write_atomic(self.path / name, "".join(line + "\n" for line in lines).encode("utf-8", "surrogatepass"))
        return len(lines)

    def read_lines(self, name: str) -> list[dict[str, Any]]:
        """Read an input file of JSON lines; empty where it is absent."""
        path = self.path / name
        if not path.exists():
            return []
        with path.open(encoding="utf-8") as file:
            return [json.loads(line) for line in file if line.strip()]

    def count_lines(self, name: str) -> int:
        """Rows of an input file."""
        with (self.path / name).open("rb") as file:
            return sum(1 for _ in file)

    def journals(self) -> list[Path]:
        """Journal files, oldest attempt first."""
        return sorted(self.path.glob("journal-*.jsonl"))

    def ask(self, what: str) -> None:
        """Ask the worker to ``cancel`` or ``pause``; it looks several times a second."""
        (self.path / what).touch()

    def asked(self) -> str | None:
        """The stop that was asked for, if any."""
        return next((name for name in STOP_FILES if (self.path / name).exists()), None)

    def clear_stops(self) -> None:
        """Forget earlier requests to stop, before a new attempt."""
        for name in STOP_FILES:
            (self.path / name).unlink(missing_ok=True)

    # Fencing: when a new attempt takes over, the length of every older journal is written down.
    # What a zombie worker appends after that point is never read.
    def seal_journals(self) -> None:
        """Fix the length of every journal written so far."""
        seals = self.seals()
        for journal in self.journals():
            seals.setdefault(journal.name, journal.stat().st_size)
        write_json(self.path / "seals.json", {**seals, CHECK: check_of(seals)})

    def seals(self) -> dict[str, int]:
        """Journal name → bytes that count."""
        found = self._seals()
        return {} if found is None else found

    def seals_are_damaged(self) -> bool:
        """Whether lengths are missing that were written down: a cut of an earlier journal would not be seen."""
        found = self._seals()
        earlier = [journal for journal in self.journals()[:-1] if journal.stat().st_size]  # an empty one lost nothing
        return found is None or any(journal.name not in found for journal in earlier)

    def seals_are_guarded(self) -> bool:
        """Whether they would show a bit that turned; those of 0.1.0 would not."""
        try:
            return f'"{CHECK}"' in (self.path / "seals.json").read_text("utf-8", "replace")
        except FileNotFoundError:
            return True

    def _seals(self) -> dict[str, int] | None:
        try:
            found: Any = json.loads((self.path / "seals.json").read_bytes())
        except FileNotFoundError:
            return {}
        except (ValueError, RecursionError):
            return None
        if not isinstance(found, dict) or not all(
            type(size) is int for size in cast("dict[str, Any]", found).values()
        ):
            return None
        seals = cast("dict[str, int]", found)
        check = seals.pop(CHECK, None)  # of 0.1.0 there is none
        return None if check is not None and check != check_of(seals) else seals
