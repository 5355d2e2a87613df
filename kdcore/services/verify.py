"""Is everything still as it was written? Read from the files alone, so it also tells while the app runs, or can't."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Collection, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from kdcore.errors import ConfigError, KdError
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.soundness import missing, place, sort_out, within, written_by, wrong_end
from kdcore.jobs.tail import BadLine, read_journal
from kdcore.records.decisions import DatasetFrozen, DoubtsSettled, ProjectMade
from kdcore.services.workspace import App
from kdcore.settings import Workspace
from kdcore.store.engine.decisions import DecisionLog
from kdcore.store.engine.frozen_files import frozen_path, known_sha256
from kdcore.store.engine.known import Known, differences, gone_runs, known_of_closed, settled_in
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

    What somebody has answered for is left out. Raises ConfigError where there is no workspace.
    """
    refuse_elsewhere(folders)
    found = Verified()
    known = known_of_closed(folders.database) if folders.database.exists() else None  # before the log, which grows
    reading = _log(folders, found)
    decisions = [entry.decision for entry in reading.entries]
    _compare(folders, known, reading, found)
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
    settled = {_sentence(each) for part in settled_in(decisions) for each in part}
    said = list(dict.fromkeys(found.findings))
    found.findings = [each for each in said if _sentence(each) not in settled]
    found.count("findings settled", len(said) - len(found.findings))
    return found


def refuse_elsewhere(folders: Workspace) -> None:
    """Raise ConfigError where there is no workspace: nothing is made for a mistyped name."""
    if not any(path.exists() for path in (folders.decisions, folders.database, folders.runs)):
        raise ConfigError(f"there is no workspace at {folders.root}; give the folder that holds runs and decisions.")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:].rstrip(".") + "."


@contextmanager
def _read(what: str, found: Verified) -> Generator[None]:
    """What can't be read is a finding as well; the others are looked at all the same."""
    try:
        yield
    except (OSError, KdError) as exc:
        reason = str(exc) if isinstance(exc, KdError) else exc.strerror or exc
        found.findings.append(f"{what} can't be read: {reason}".rstrip(".") + ".")


def _log(folders: Workspace, found: Verified) -> Reading:
    """The log against its own chain and its head file; a line that is being written just now is no damage."""
    reading = Reading()
    with _read("The log of decisions", found):
        reading = DecisionLog(folders.decisions).check()
        if reading.torn:
            time.sleep(0.2)
            reading = DecisionLog(folders.decisions).check()
    found.count("decisions", len(reading.entries))
    return reading


def _compare(folders: Workspace, known: Known | None, reading: Reading, found: Verified) -> None:
    said = [*reading.findings]
    if reading.torn:
        said.append(
            f"the last {reading.torn} bytes of the log of decisions are no whole line; nobody was told of them"
        )
    if known is not None:
        found.count("databases")
        said += [*differences(known, reading), *gone_runs(known, folders), *known.doubts]
    elif folders.database.exists():
        found.checked["databases not compared"] = 1  # the app has it open, or it is damaged: rebuild tells
    found.findings += [_sentence(each) for each in said]


def _journals(run: RunDir, projects: Collection[str], found: Verified) -> None:
    if not (run.path / "config.json").exists():
        if run.journals():
            found.findings.append(f"Run {run.run_id} has no config.json.")
        return
    config = run.config()
    if not config or str(config.get("project_id", "")) not in {"", *projects}:
        found.findings.append(f"config.json of run {run.run_id} names no project of this workspace.")
    seals, status = run.seals(), run.status()
    for name, reason in missing(run, status):
        found.findings.append(place(run.run_id, name, 0, reason))
    there = run.journals()
    for journal in there:
        found.count("journals")
        seal = seals.get(journal.name)
        size, written = journal.stat().st_size, written_by(status, journal == there[-1], seal)
        bad, position = _bad_lines(journal, seal, written)
        if reason := wrong_end(size, position, seal, written):
            bad.append(BadLine(min(size, position), reason, ""))
        found.findings += [place(run.run_id, journal.name, line.offset, line.reason) for line in bad]


def _bad_lines(journal: Path, limit: int | None, written: int) -> tuple[list[BadLine], int]:
    """Places of a journal that can't be trusted, and up to where it is whole lines."""
    bad: list[BadLine] = []
    offset: int = 0
    seq: int | None = 0
    while True:
        chunk = read_journal(journal, offset, limit)
        if chunk.offset == offset:
            return bad, offset
        _, more, seq = sort_out([within(line, written) for line in chunk.lines], seq)
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
            listed: Any = json.loads(manifest.read_bytes())["files"]
            if not isinstance(listed, dict):
                raise TypeError("no list of files")
            files = cast("dict[str, Any]", listed)
            wrong = [name for name, each in files.items() if sha256_of(manifest.parent / name) != each["sha256"]]
        except (OSError, ValueError, KeyError, TypeError) as exc:
            wrong = [f"{CHECKPOINT} ({type(exc).__name__})"]
        found.findings += [f"{name} of checkpoint {manifest.parent.name} of {run.name} is damaged." for name in wrong]


def settle(app: App, who: str, why: str) -> list[str]:
    """Answer for what ``verify`` and the start of the app found: it is not said any more. Returns the sentences.

    That somebody did, and why, is an event of the log. Raises ConfigError without a name and a reason.
    """
    if not who.strip() or len(why.strip()) < 10:
        raise ConfigError("to settle what was found needs a name, and in a sentence what became of it.")
    said = app.doubts
    places = [each for each in verify(app.folders).findings if each not in {_sentence(doubt) for doubt in said}]
    if said or places:
        event = DoubtsSettled(
            sentences=tuple(said), places=tuple(places), who=who.strip(), why=why.strip(), created=time.time()
        )
        app.decide(event)
    return [*map(_sentence, said), *places]


def sha256_of(path: Path) -> str:
    """Of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
