"""One open workspace: the store, the runs, and the thread that brings in what workers write."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdcore import ids
from kdcore.configs.base import Config
from kdcore.errors import ConfigError, KdError
from kdcore.jobs import launcher, lease
from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status
from kdcore.settings import Workspace, workspace
from kdcore.store import datasets, projects, reviews, runs
from kdcore.store import tags as tag_store
from kdcore.store.engine import decisions, ingest
from kdcore.store.engine.db import Store, set_aside
from kdcore.types import TERMINAL_STATES

log = logging.getLogger(__name__)
TICK_S = 1.0


class App:
    """What services are handed. Thread-safe; close it to let another process open the workspace."""

    def __init__(self, folders: Workspace) -> None:
        self.folders = folders.make()
        self.store = Store(folders.database)
        self.observer = launcher.Observer()
        self.background: list[Callable[[App], object]] = []
        self.problems: list[str] = []  # what could not be read, in sentences, for every page to show
        self._settled: set[str] = set()
        self._ticking = threading.Lock()
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None
        replay_decisions(self)
        self.tick()

    # ---- runs ---------------------------------------------------------------------------------------
    def run_dir(self, run_id: str) -> RunDir:
        """The folder of a run; raises ConfigError for an id that isn't there."""
        path = self.folders.runs / Path(run_id).name
        if not run_id or not path.is_dir():
            raise ConfigError(f'there is no run "{run_id}" in {self.folders.runs}.')
        return RunDir(path)

    def create_run(self, kind: str, config: Config | dict[str, Any]) -> RunDir:
        """A run folder with its config, not started: put its inputs in, then ``launch``."""
        data = config.model_dump(mode="json") if isinstance(config, Config) else config
        return RunDir.create(self.folders.runs, ids.new_run_id(kind), data)

    def launch(self, run: RunDir) -> RunDir:
        """Start or resume the worker of a run."""
        self._register(run)
        with self._ticking:  # a tick that has just seen the earlier end must not set this attempt aside
            launcher.start(run)
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
        threading.Thread(target=launcher.see_to_stop, args=(run, before), daemon=True).start()

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

    def holder(self) -> dict[str, Any] | None:
        """Who holds the accelerator."""
        return lease.holder(self.folders.root)

    def quarantined(self, run_id: str) -> list[dict[str, Any]]:
        """Journal lines of a run that were set aside as damaged."""
        return ingest.quarantined(self.store, run_id)

    def active_runs(self) -> list[tuple[RunDir, Status]]:
        """Runs that are queued or running."""
        found: list[tuple[RunDir, Status]] = []
        for path in sorted(self.folders.runs.iterdir()):
            if path.name not in self._settled and (path / "config.json").exists():
                run = RunDir(path)
                status = self.observer.look(run)
                if status.state not in TERMINAL_STATES and status.epoch:
                    found.append((run, status))
        return found

    # ---- bringing in what workers wrote -------------------------------------------------------------
    def tick(self) -> int:
        """Ingest everything new; runs that have ended are read once more and then left alone."""
        applied = 0
        with self._ticking:
            for path in sorted(self.folders.runs.iterdir()):
                if path.name not in self._settled and (path / "config.json").exists():
                    applied += self._bring_in(RunDir(path))
        return applied

    def _bring_in(self, run: RunDir) -> int:
        """Ingest what is new in one run; whoever calls holds the ticking lock, so that nothing is read twice."""
        try:
            self._register(run)
            status = self.observer.look(run)
            applied = ingest.ingest_run(self.store, run)
        except Exception:
            # One damaged folder must not stop the others; it is said on every page and left as it is.
            self.report(f"run {run.run_id} can't be read; its folder is untouched, the log has the cause")
            self._settled.add(run.run_id)
            return 0
        if status.state in TERMINAL_STATES:
            self._settled.add(run.run_id)
        return applied

    def report(self, problem: str) -> None:
        """Log the error in hand and keep a sentence for the pages."""
        log.exception(problem)
        self.problems.append(problem[:1].upper() + problem[1:] + ".")

    def _register(self, run: RunDir) -> None:
        config = run.config()
        if runs.get(self.store, run.run_id) is None:
            created = (run.path / "config.json").stat().st_mtime
            runs.add(
                self.store,
                {
                    "run_id": run.run_id,
                    "project_id": config.get("project_id", ""),
                    "kind": run.kind,
                    "config": json.dumps(config, ensure_ascii=False),
                    "created": created,
                },
            )

    def start_background(self) -> App:
        """Ingest and advance background work once a second until closed."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._loop, name="ingest", daemon=True)
            self._thread.start()
        return self

    def _loop(self) -> None:
        while not self._closing.wait(TICK_S):
            try:
                self.tick()
                for work in self.background:
                    work(self)
            except Exception:
                # The thread must outlive one bad run; the error is on the log with its cause.
                log.exception("bringing in what workers wrote failed; trying again")

    def decide(self, kind: str, record: dict[str, Any]) -> None:
        """Write a human decision to disk, then apply it to the database."""
        decisions.append(self.folders.decisions, kind, record)
        APPLY[kind](self, record)

    def close(self) -> None:
        """Stop the thread and let the database go. Workers go on."""
        self._closing.set()
        if self._thread is not None:
            self._thread.join(timeout=30)
        self.store.close()


# What each kind of decision does to the database; each may be applied twice.
def _apply_dataset(app: App, record: dict[str, Any]) -> None:
    from kdcore.store.engine.frozen_files import read_frozen

    datasets.add(app.store, record, read_frozen(app.folders, record["dataset_id"]))


APPLY: dict[str, Callable[[App, dict[str, Any]], Any]] = {
    "project": lambda app, record: projects.add_project(app.store, record),
    "prompt_version": lambda app, record: projects.add_prompt_version(app.store, record),
    "review": lambda app, record: reviews.add(app.store, record),
    "reviews": lambda app, record: reviews.add_many(app.store, record),
    "tags": lambda app, record: tag_store.add_tags(app.store, record),
    "view": lambda app, record: tag_store.add_view(app.store, record),
    "data_class": lambda app, record: projects.add_data_class(app.store, record),
    "terms_override": lambda app, record: projects.add_terms_override(app.store, record),
    "dataset": _apply_dataset,
}


def replay_decisions(app: App) -> int:
    """Apply what the log has and the database may lack (a crash between the two); return the decisions read."""
    count = 0
    position = ingest.decisions_read(app.store)
    for record, end in decisions.read(app.folders.decisions, position):
        position = end
        kind = record.pop("kind", "")
        try:
            if kind in APPLY:
                APPLY[kind](app, record)
                count += 1
        except Exception:
            app.report(f"a decision ({kind}) can't be applied; it stays in {app.folders.decisions.name}")
    ingest.set_decisions_read(app.store, position)
    return count


def open_app(root: str | Path | None = None) -> App:
    """Open the workspace at ``root`` (see ``settings.workspace``)."""
    return App(workspace(root))


def rebuild(root: str | Path | None = None) -> dict[str, Any]:
    """Set the database aside and make it anew from run folders and decisions."""
    folders = workspace(root).make()
    kept = set_aside(folders.database)
    started = time.perf_counter()
    app = App(folders)
    try:
        counts = {
            "runs": len(runs.list_runs(app.store)),
            **app.store.sizes("samples", "reviews", "datasets"),
        }
    finally:
        app.close()
    return counts | {"kept": str(kept) if kept else "", "seconds": round(time.perf_counter() - started, 2)}
