"""One open workspace: the store, the runs, and what brings in what workers write. Services are handed it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypedDict

from kdcore import ids
from kdcore.configs.base import Config
from kdcore.errors import ConfigError, DataError, KdError
from kdcore.governance.advisories import unsound
from kdcore.jobs import lease
from kdcore.jobs.backends import Backend
from kdcore.jobs.backends.local import LocalBackend
from kdcore.jobs.lease import Holder
from kdcore.jobs.observer import Observer
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.soundness import place
from kdcore.records.decisions import AnyDecision
from kdcore.records.runs import QuarantinedLine
from kdcore.records.status import Status
from kdcore.services import zones
from kdcore.settings import Workspace, is_file_name, workspace
from kdcore.store import datasets, projects, runs
from kdcore.store.engine import ingest
from kdcore.store.engine.db import Store, set_aside
from kdcore.store.engine.decided import Decided
from kdcore.store.engine.frozen_files import read_frozen
from kdcore.types import TERMINAL_STATES

log = logging.getLogger(__name__)
TICK_S = 1.0
RETRY_S = (2.0, 60.0)  # a run that could not be read is tried again after these seconds, doubling


@dataclass(slots=True)
class _Setback:
    """A run that could not be read: how often, and when to try again on the monotonic clock."""

    times: int = 0
    again: float = 0.0


class App:
    """What services are handed. Thread-safe; close it to let another process open the workspace."""

    def __init__(self, folders: Workspace, backend: Backend | None = None) -> None:
        self.folders = folders.make()
        self.backend = backend or LocalBackend()
        self.store = Store(folders.database)
        self.observer = Observer(self.backend)
        self._problems: dict[str, str] = {}  # where → what could not be read or done, as a sentence
        self._settled: set[str] = set()
        self._setbacks: dict[str, _Setback] = {}
        self._ticking = threading.Lock()
        self.naming = threading.RLock()  # held from looking for a name to taking it, so that each is given once
        self._decided = Decided(self.store, self.folders)
        self._decided.open()
        for number, finding in enumerate(self._decided.findings):
            self.tell(f"decisions {number}", finding)
        self._check_versions()
        for number, sentence in enumerate(unsound()):
            self.tell(f"library {number}", sentence)
        self.tick()

    # ---- runs ---------------------------------------------------------------------------------------
    def run_dir(self, run_id: str) -> RunDir:
        """The folder of a run; raises ConfigError for an id that isn't there."""
        path = self.folders.runs / run_id
        if not is_file_name(run_id) or not path.is_dir():
            raise ConfigError(f'there is no run "{run_id}" in {self.folders.runs}.')
        return RunDir(path, self.folders.mounts)

    def create_run(self, kind: str, config: Config | dict[str, Any]) -> RunDir:
        """A run folder with its config, not started: put its inputs in, then ``launch``."""
        mounts = self.folders.mounts
        data = config.portable(mounts) if isinstance(config, Config) else config
        return RunDir.create(self.folders.runs, ids.new_run_id(kind), data, mounts)

    def launch(self, run: RunDir) -> RunDir:
        """Start or resume the worker of a run. Raises ConfigError where it would send text that may not leave."""
        zones.pass_gate(self.store, run)
        self._register(run)
        with self._ticking:  # a tick that has just seen the earlier end must not set this attempt aside
            self.backend.start(run)
            self._settled.discard(run.run_id)
        return run

    def status(self, run_id: str) -> Status:
        """What a run is doing, a vanished worker noticed.

        An ended run is told as ended only once all that it wrote is in the store: a page then stops looking.
        """
        run = self.run_dir(run_id)
        status = self.observer.look(run)
        if status.state in TERMINAL_STATES and run_id not in self._settled:
            with self._ticking:
                self._bring_in(run)
        return status

    def stop(self, run_id: str, what: str = "cancel") -> None:
        """Ask a run to ``cancel`` or ``pause`` and make sure that it does, without waiting here."""
        run = self.run_dir(run_id)
        before = run.status()
        run.ask(what)
        threading.Thread(target=self.backend.stop, args=(run, before), daemon=True).start()

    def wait(self, run_id: str, timeout_s: float = 3600.0, on_poll: Callable[[Status], None] | None = None) -> Status:
        """Block until a run has ended and everything it wrote is in the store (for the command line)."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            status = self.status(run_id)
            if on_poll is not None:
                on_poll(status)
            if status.state in TERMINAL_STATES:
                return status
            time.sleep(0.2)
        raise KdError(f"run {run_id} did not end within {timeout_s:.0f} s; it goes on, look again later.")

    def holder(self) -> Holder | None:
        """Who holds the accelerator."""
        return lease.holder(self.folders.root)

    def quarantined(self, run_id: str) -> list[QuarantinedLine]:
        """Journal lines of a run that were set aside as damaged."""
        return ingest.quarantined(self.store, run_id)

    def active_runs(self) -> list[tuple[RunDir, Status]]:
        """Runs that are queued or running."""
        found: list[tuple[RunDir, Status]] = []
        for run in self._unsettled():
            try:
                status = self.observer.look(run)
            except (OSError, ValueError, TypeError):
                continue  # its status can't be read now; ``tick`` says so
            if status.state not in TERMINAL_STATES and status.epoch:
                found.append((run, status))
        return found

    def _unsettled(self) -> Iterator[RunDir]:
        for path in sorted(self.folders.runs.iterdir()):
            if path.name in self._settled:
                continue
            run = RunDir(path, self.folders.mounts)
            if (path / "config.json").exists():
                yield run
            elif path.is_dir() and run.journals():  # without one it is a run that is being made
                self.tell(
                    f"config {path.name}",
                    f"run {path.name} has no config.json, so nothing that it wrote can be shown; put the file back "
                    "from a backup",
                )

    # ---- bringing in what workers wrote -------------------------------------------------------------
    def tick(self) -> int:
        """Ingest everything new; runs that have ended are read once more and then left alone."""
        with self._ticking:
            return sum(self._bring_in(run) for run in self._unsettled())

    def _bring_in(self, run: RunDir) -> int:
        """Ingest what is new in one run; whoever calls holds the ticking lock, so that nothing is read twice."""
        setback = self._setbacks.get(run.run_id)
        if setback is not None and time.monotonic() < setback.again:
            return 0
        try:
            self._register(run)
            status = self.observer.look(run)
            applied = ingest.ingest_run(self.store, run, status)
        except Exception as exc:
            # One damaged folder must not stop the others; an error that passes must not hide a run until a restart.
            self._try_later(run, exc)
            return 0
        if setback is not None:
            del self._setbacks[run.run_id]
            self._problems.pop(run.run_id, None)
        if status.state in TERMINAL_STATES:
            self._settled.add(run.run_id)
            self._tell_stranger(run)
        found = [
            place(run.run_id, line["file"], line["position"], line["reason"]) for line in self.quarantined(run.run_id)
        ]
        if bad := len([each for each in found if each not in self._decided.settled_places]):
            self.tell(
                f"damage {run.run_id}",
                f"run {run.run_id} has {bad} damaged {'place' if bad == 1 else 'places'} in its journal; "
                "what could be read is in, the rest is shown with the run",
            )
        return applied

    def _tell_stranger(self, run: RunDir) -> None:
        project_id = run.config().get("project_id", "")
        if project_id and not projects.is_known(self.store, str(project_id)):
            self.tell(
                f"project {run.run_id}",
                f'run {run.run_id} belongs to the project "{project_id}", which is not in this workspace: what it '
                "made is shown nowhere; put its config.json, or the log of decisions, back from a backup",
            )

    def _try_later(self, run: RunDir, error: Exception) -> None:
        setback = self._setbacks.setdefault(run.run_id, _Setback())
        first, most = RETRY_S
        setback.again = time.monotonic() + min(most, first * 2**setback.times)
        setback.times += 1
        if setback.times == 1:
            log.exception("run %s can't be read", run.run_id)
        self.tell(
            run.run_id,
            f"run {run.run_id} can't be read now ({type(error).__name__}); its folder is untouched and is tried "
            "again, the log has the cause",
        )

    def _register(self, run: RunDir) -> None:
        config = run.config()
        if runs.get(self.store, run.run_id) is None:
            runs.add(
                self.store,
                {
                    "run_id": run.run_id,
                    "project_id": config.get("project_id", ""),
                    "kind": run.kind,
                    "config": config,
                    "created": (run.path / "config.json").stat().st_mtime,
                },
            )

    # ---- what people must know, and what they decide ------------------------------------------------
    @property
    def problems(self) -> list[str]:
        """What could not be read or done, in sentences, for every page to show."""
        return list(self._problems.values())

    @property
    def doubts(self) -> list[str]:
        """What is wrong with the log of decisions, or gone, and nobody has answered for."""
        return list(self._decided.doubts)

    def tell(self, where: str, problem: str) -> None:
        """Show a sentence on every page, in place of an earlier one from the same place."""
        self._problems[where] = problem[:1].upper() + problem[1:].rstrip(".") + "."

    def settle(self, where: str) -> None:
        """Take back what was told of a place."""
        self._problems.pop(where, None)

    def report(self, problem: str) -> None:
        """Log the error in hand and show a sentence."""
        log.exception(problem)
        self.tell(problem, problem)

    def decide(self, decision: AnyDecision, refuse: Callable[[], None] = lambda: None) -> None:
        """Write what a person decided to disk, then apply it to the database. Raises StoreError; see ``Decided``."""
        self._decided.decide(decision, refuse)

    def _check_versions(self) -> None:
        """Every frozen file against its sha256: one that was changed must not be trained on under its old name."""
        for version in datasets.frozen(self.store):
            try:
                read_frozen(self.folders, version)
            except (DataError, OSError) as exc:
                reason = str(exc) if isinstance(exc, DataError) else f"can't be read ({exc.strerror or exc})"
                told = (
                    reason
                    if isinstance(exc, DataError)
                    else f"the file of {version.name} v{version.version} {reason}"
                )
                self.tell(f"version {version.dataset_id}", told)

    def close(self) -> None:
        """Let the database go. Workers go on."""
        self.store.close()


def open_app(root: str | Path | None = None) -> App:
    """Open the workspace at ``root`` (see ``settings.workspace``)."""
    return App(workspace(root))


class Rebuilt(TypedDict):
    """What a rebuild brought back; ``kept`` is the file that was set aside, ``problems`` are sentences."""

    runs: int
    samples: int
    reviews: int
    datasets: int
    problems: list[str]
    kept: str
    seconds: float


def rebuild(root: str | Path | None = None) -> Rebuilt:
    """Set the database aside and make it anew from run folders and decisions.

    ``{runs, samples, reviews, datasets, kept (the file that was set aside), problems (sentences), seconds}``.
    """
    folders = workspace(root).make()
    kept = set_aside(folders.database)
    started = time.perf_counter()
    app = App(folders)  # it remembers what the database that was set aside knew
    try:
        count, problems = len(runs.list_runs(app.store)), app.problems
        sizes = app.store.sizes("samples", "reviews", "datasets")
    finally:
        app.close()
    return {
        "runs": count,
        "samples": sizes["samples"],
        "reviews": sizes["reviews"],
        "datasets": sizes["datasets"],
        "problems": problems,
        "kept": str(kept) if kept else "",
        "seconds": round(time.perf_counter() - started, 2),
    }
