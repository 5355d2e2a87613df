"""Is everything still as it was written? Read from the files alone, so it also tells while the app runs, or can't."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdcore.jobs.run_dir import RunDir, journal_name
from kdcore.jobs.tail import BadLine, read_journal
from kdcore.records.decisions import AnyDecision, DatasetFrozen
from kdcore.settings import Workspace
from kdcore.store.engine.decided import head_of
from kdcore.store.engine.decisions import DecisionLog, cut
from kdcore.store.engine.frozen_files import frozen_path, known_sha256
from kdcore.types import TERMINAL_STATES

CHECKPOINT = "COMPLETE.json"


@dataclass(slots=True)
class Verified:
    """What was looked at, by kind, and what is wrong, in sentences."""

    checked: dict[str, int] = field(default_factory=dict[str, int])
    findings: list[str] = field(default_factory=list[str])

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.findings

    def count(self, kind: str, number: int = 1) -> None:
        """Add to what was looked at."""
        self.checked[kind] = self.checked.get(kind, 0) + number


def verify(folders: Workspace) -> Verified:
    """Logs with their chains, journals, frozen versions, checkpoints, and the database against the log."""
    found = Verified()
    decisions = _decisions(folders, found)
    for run in sorted(folders.runs.iterdir()) if folders.runs.is_dir() else []:
        if run.is_dir():
            _journals(RunDir(run), found)
            _checkpoints(run, found)
    for decision in decisions:
        if isinstance(decision, DatasetFrozen):
            _version(folders, decision, found)
    return found


def _decisions(folders: Workspace, found: Verified) -> list[AnyDecision]:
    """The log against its own chain, its head file and the database; returns the decisions that can be trusted."""
    reading = DecisionLog(folders.decisions).check()
    found.count("decisions", len(reading.entries))
    found.findings += [finding[:1].upper() + finding[1:] for finding in reading.findings]
    if folders.database.exists():
        head = head_of(folders.database)
        found.count("databases", head is not None)
        if head is None:
            found.checked["databases not compared"] = 1  # the app has it open, or it is damaged: rebuild tells
        elif not any("was cut" in finding for finding in reading.findings):
            found.findings += [finding[:1].upper() + finding[1:] for finding in cut(reading, head, "the database")]
    return [entry.decision for entry in reading.entries]


def _journals(run: RunDir, found: Verified) -> None:
    if not (run.path / "config.json").exists():
        if run.journals():
            found.findings.append(f"Run {run.run_id} has no config.json.")
        return
    for name in ("config.json", "status.json", "seals.json"):
        if (run.path / name).exists() and not _is_object(run.path / name):
            found.findings.append(f"{name} of run {run.run_id} can't be read.")
    seals, status = run.seals(), run.status()
    there = run.journals()
    expected = {name for name, size in seals.items() if size}
    if status.state in TERMINAL_STATES and status.journal_bytes > 0:
        expected.add(journal_name(status.epoch))
    for name in sorted(expected - {journal.name for journal in there}):
        found.findings.append(f"{name} of run {run.run_id} is gone.")
    for journal in there:
        found.count("journals")
        last = journal == there[-1] and status.state in TERMINAL_STATES and status.journal_bytes >= 0
        known = seals.get(journal.name, status.journal_bytes if last else -1)
        size = journal.stat().st_size
        if size < known:
            found.findings.append(
                f"{journal.name} of run {run.run_id} ends at byte {size}, {known} were written: its end is missing."
            )
        for what in _bad_lines(journal, seals.get(journal.name)):
            found.findings.append(f"{journal.name} of run {run.run_id} is damaged at {what}.")


def _is_object(path: Path) -> bool:
    try:
        return isinstance(json.loads(path.read_bytes()), dict)
    except (OSError, ValueError, RecursionError):
        return False


def _bad_lines(journal: Path, limit: int | None) -> Iterator[str]:
    """Places of a journal that can't be trusted, and numbers that are missing."""
    offset, seq = 0, 0
    while True:
        chunk = read_journal(journal, offset, limit)
        for line in chunk.lines:
            if isinstance(line, BadLine):
                yield f"byte {line.offset} ({line.reason})"
                seq += 1
                continue
            if line.seq > seq + 1:
                yield f"byte {line.offset} (records {seq + 1} to {line.seq - 1} are missing before it)"
            seq = line.seq
        if chunk.offset == offset:
            return
        offset = chunk.offset


def _version(folders: Workspace, version: DatasetFrozen, found: Verified) -> None:
    found.count("versions")
    path = frozen_path(folders, version.dataset_id)
    named = f"The file of {version.name} v{version.version} ({path.name})"
    if not path.exists():
        found.findings.append(f"{named} is gone.")
    elif (known := known_sha256(folders, version)) and sha256_of(path) != known:
        found.findings.append(f"{named} is not as it was frozen.")


def _checkpoints(run: Path, found: Verified) -> None:
    for manifest in sorted(run.glob(f"checkpoints/*/{CHECKPOINT}")):
        found.count("checkpoints")
        try:
            files: dict[str, Any] = json.loads(manifest.read_bytes())["files"]
            wrong = [name for name, each in files.items() if sha256_of(manifest.parent / name) != each["sha256"]]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            wrong = [f"{CHECKPOINT} ({type(exc).__name__})"]
        found.findings += [f"{name} of checkpoint {manifest.parent.name} of {run.name} is damaged." for name in wrong]


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
