"""Is everything still as it was written? Read from the files alone, so it also tells while the app runs, or can't."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdcore.errors import ConfigError, KdError
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.soundness import missing, sort_out, written_by, wrong_end
from kdcore.jobs.tail import BadLine, read_journal
from kdcore.records.decisions import AnyDecision, DatasetFrozen, DoubtsSettled, ProjectMade
from kdcore.services.workspace import App
from kdcore.settings import Workspace
from kdcore.store.engine.decisions import DecisionLog
from kdcore.store.engine.frozen_files import frozen_path, known_sha256
from kdcore.store.engine.known import differences, gone_runs, known_of_closed
from kdcore.store.engine.log_reading import Reading

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
    """Logs with their chains, journals, frozen versions, checkpoints, and the database against the log.

    Raises ConfigError where there is no workspace.
    """
    if not any(path.exists() for path in (folders.decisions, folders.database, folders.runs)):
        raise ConfigError(f"there is no workspace at {folders.root}; give the folder that holds runs and decisions.")
    found = Verified()
    decisions = _decisions(folders, found)
    projects = {decision.project_id for decision in decisions if isinstance(decision, ProjectMade)}
    for run in sorted(folders.runs.iterdir()) if folders.runs.is_dir() else []:
        if run.is_dir():
            with _read(f"Run {run.name}", found):
                _journals(RunDir(run), projects, found)
            with _read(f"The checkpoints of run {run.name}", found):
                _checkpoints(run, found)
    for decision in decisions:
        if isinstance(decision, DatasetFrozen):
            with _read(f"The file of {decision.name} v{decision.version}", found):
                _version(folders, decision, found)
    return found


@contextmanager
def _read(what: str, found: Verified) -> Generator[None]:
    """What can't be read is a finding as well; the others are looked at all the same."""
    try:
        yield
    except (OSError, KdError) as exc:
        reason = str(exc) if isinstance(exc, KdError) else exc.strerror or exc
        found.findings.append(f"{what} can't be read: {reason}".rstrip(".") + ".")


def _decisions(folders: Workspace, found: Verified) -> list[AnyDecision]:
    """The log against its own chain, its head file and the database; returns the decisions that can be trusted."""
    reading = Reading()
    with _read("The log of decisions", found):
        reading = DecisionLog(folders.decisions).check()
    found.count("decisions", len(reading.entries))
    said = [*reading.findings]
    if reading.torn:
        said.append(
            f"the last {reading.torn} bytes of the log of decisions are no whole line; nobody was told of them"
        )
    known = known_of_closed(folders.database) if folders.database.exists() else None
    if known is not None:
        found.count("databases")
        said += differences(known, reading, "the database")
        said += [*gone_runs(known, folders), *known.doubts]
        found.count("findings settled", len(known.settled.intersection(said)))
        said = [each for each in said if each not in known.settled]
    elif folders.database.exists():
        found.checked["databases not compared"] = 1  # the app has it open, or it is damaged: rebuild tells
    found.findings += [each[:1].upper() + each[1:].rstrip(".") + "." for each in dict.fromkeys(said)]
    return [entry.decision for entry in reading.entries]


def _journals(run: RunDir, projects: Collection[str], found: Verified) -> None:
    if not (run.path / "config.json").exists():
        if run.journals():
            found.findings.append(f"Run {run.run_id} has no config.json.")
        return
    config = run.config()
    if not config or config.get("project_id", "") not in {"", *projects}:
        found.findings.append(f"config.json of run {run.run_id} names no project of this workspace.")
    seals, status = run.seals(), run.status()
    for name, reason in missing(run, status):
        found.findings.append(f"{name} of run {run.run_id}: {reason}.")
    there = run.journals()
    for journal in there:
        found.count("journals")
        seal = seals.get(journal.name)
        bad, position = _bad_lines(journal, seal)
        if reason := wrong_end(
            journal.stat().st_size, position, seal, written_by(status, journal == there[-1], seal)
        ):
            bad.append(BadLine(position, reason, ""))
        for line in bad:
            what = f"{journal.name} of run {run.run_id} is damaged at byte {line.offset}"
            found.findings.append(f"{what} ({line.reason}).")


def _bad_lines(journal: Path, limit: int | None) -> tuple[list[BadLine], int]:
    """Places of a journal that can't be trusted, and up to where it is whole lines."""
    bad: list[BadLine] = []
    offset: int = 0
    seq: int | None = 0
    while True:
        chunk = read_journal(journal, offset, limit)
        if chunk.offset == offset:
            return bad, offset
        _, more, seq = sort_out(chunk.lines, seq)
        bad += more
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


def settle(app: App, who: str, why: str) -> list[str]:
    """Answer for what is missing or another in the log, the database or the runs: it is not said any more.

    Returns the sentences. That somebody did, and why, is an event of the log. Raises ConfigError without a name and
    a reason.
    """
    if not who.strip() or len(why.strip()) < 10:
        raise ConfigError("to settle what was found needs a name, and in a sentence what became of it.")
    if sentences := app.doubts:
        app.decide(DoubtsSettled(sentences=tuple(sentences), who=who.strip(), why=why.strip(), created=time.time()))
    return sentences


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
