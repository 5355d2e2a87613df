"""Sweeps: one recipe under several losses, budgets and seeds, trained one after the other and compared."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any, TypedDict, cast

from kdcore import ids
from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.configs.losses import LOSSES
from kdcore.errors import ConfigError, KdError
from kdcore.evaluate.statistics import Interval, t_interval
from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status
from kdcore.services.distill import runs as training_runs
from kdcore.services.workflow import Workflow
from kdcore.services.workspace import App
from kdcore.types import RunState

QUEUE = "queue.json"
MAX_RUNS = 100


def plan(
    base: DistillConfig,
    losses: Sequence[str],
    rows: Sequence[int],
    seeds: Sequence[int],
    sweep: str,
    draws: Sequence[str] = (),
    own: Mapping[str, Any] | None = None,
) -> list[DistillConfig]:
    """The runs of a sweep, seeds first; an empty list keeps what the recipe says.

    ``own`` are settings for each loss that has them. Losses, rows and ``draws`` (picks, "" for chance) are those of
    the first slice; the others stay as they are.
    Raises ConfigError for a combination that can't be, or for more than MAX_RUNS runs.
    """
    first, *others = base.model_dump()["slices"]
    losses = list(dict.fromkeys(losses)) or [first["loss"]]
    rows = list(dict.fromkeys(rows)) or [first["rows"]]
    seeds = list(dict.fromkeys(seeds)) or [base.seed]
    draws = list(dict.fromkeys(draws)) or [first["subset"]]
    count = len(losses) * len(rows) * len(seeds) * len(draws)
    if count > MAX_RUNS:
        raise ConfigError(f"that makes {count} runs; at most {MAX_RUNS} are started at once, name fewer.")
    configs: list[DistillConfig] = []
    for seed, loss, limit, subset in product(seeds, losses, rows, draws):
        if subset and not limit and "" in draws:
            continue  # chance takes all of them already
        settings: dict[str, Any] = first["loss_config"] if loss == first["loss"] else {}  # another has other settings
        has = LOSSES[loss].config.model_fields if loss in LOSSES else {}
        settings = settings | {name: value for name, value in (own or {}).items() if name in has}
        part = first | {"loss": loss, "loss_config": settings, "rows": limit, "subset": subset}
        changed = {"seed": seed, "sweep": sweep, "slices": [part, *others]}
        configs.append(load_config(DistillConfig, base.model_dump() | changed))
    return configs


def whole_numbers(label: str, text: str) -> list[int]:
    """Numbers parted by commas; raises ConfigError for anything else."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not all(part.isascii() and part.isdecimal() for part in parts):
        raise ConfigError(f'{label} is "{text}"; expected whole numbers parted by commas, such as 0, 1, 2.')
    return [int(part) for part in parts]


def start(
    app: App,
    project_id: str,
    base: DistillConfig,
    losses: Sequence[str] = (),
    rows: Sequence[int] = (),
    seeds: Sequence[int] = (),
    draws: Sequence[str] = (),
    own: Mapping[str, Any] | None = None,
) -> list[str]:
    """Make the runs of a sweep and queue them; returns their ids. Each starts when the one before has ended."""
    sweep = ids.new_run_id("sweep")
    made: list[str] = []
    for config in plan(base, losses, rows, seeds, sweep, draws, own):
        run = training_runs.make_run(app, "distill", project_id, config)
        made.append(run.run_id)
        with WORKFLOW.lock:
            _write(app, [*queued(app), run.run_id])
    app.tick()  # so that the page knows them at once
    advance(app)
    return made


@dataclass
class Queue:
    """Runs that wait for their turn, the next first. The queue itself never ends."""

    waiting: list[str]
    state: str = "running"
    message: str = ""


def _path(app: App) -> Path:
    return app.folders.root / QUEUE


def queued(app: App) -> list[str]:
    """Runs that wait for their turn, the next first."""
    return WORKFLOW.load(_path(app)).waiting if _path(app).exists() else []


def _write(app: App, run_ids: list[str]) -> None:
    WORKFLOW.save(_path(app), Queue(run_ids))


def take_out(app: App, run_ids: Sequence[str]) -> None:
    """Let some runs wait no longer: they are stopped before they began, and can be resumed one by one."""
    with WORKFLOW.lock:
        waiting = queued(app)
        _write(app, [run_id for run_id in waiting if run_id not in run_ids])
        for run_id in set(waiting) & set(run_ids):
            _end(app.run_dir(run_id), "cancelled", "taken out of the queue")


def advance(app: App) -> None:
    """Start the next queued run if no training is active; never blocks. Goes on after a restart of the app.

    A run that was stopped while it waited, or was started by hand, is passed over; one that can't be started is
    marked as failed with the reason, and the next has its turn.
    """
    WORKFLOW.advance(app)


def _decode(data: Any) -> Queue:
    waiting = cast("list[Any]", data) if isinstance(data, list) else [None]
    if not all(isinstance(run_id, str) for run_id in waiting):
        raise ValueError("it is no list of runs")
    return Queue([str(run_id) for run_id in waiting])


def _step(app: App, queue: Queue) -> None:
    while queue.waiting and not any(run.kind == "distill" for run, _ in app.active_runs()):
        _start_first(app, queue.waiting.pop(0))


WORKFLOW: Workflow[Queue] = Workflow(
    "queued trainings",
    lambda app: [_path(app)] if _path(app).exists() else [],
    _decode,
    lambda queue: queue.waiting,
    _step,
    lambda queue: [],
)


def _start_first(app: App, run_id: str) -> None:
    try:
        run = app.run_dir(run_id)
    except KdError:
        return  # its folder was removed
    try:
        if not _waits(run):
            return
    except (OSError, ValueError, TypeError):
        app.report(f"the queued run {run_id} can't be read and lost its turn; resume it once it is mended")
        return
    try:
        app.launch(run)
    except (KdError, OSError) as exc:
        _end(run, "failed", f"it could not be started: {exc}")
        app.report(f"the queued run {run_id} could not be started: {exc}")


def _waits(run: RunDir) -> bool:
    status = run.status()
    return status.state == "queued" and status.epoch == 0 and run.asked() is None


def _end(run: RunDir, state: RunState, message: str) -> None:
    if _waits(run):
        run.write_status(Status(state, message=message, updated=time.time()), durable=True)


def wait(app: App, run_ids: Sequence[str]) -> None:
    """Block until every run of a sweep has ended (for the command line and benchmarks)."""
    for run_id in run_ids:
        while run_id in queued(app) and _waits(app.run_dir(run_id)):
            advance(app)
            time.sleep(0.2)
        if not _waits(app.run_dir(run_id)):
            app.wait(run_id, timeout_s=24 * 3600)


def end_of(app: App, run: RunDir) -> dict[str, float]:
    """The last held-out figures of a run that is done, those of its last answers included; {} before."""
    if app.status(run.run_id).state != "done":  # which tells it only once all that it wrote is in the store
        return {}
    known = _ends.get(str(run.path))
    if known is None:
        found = training_runs.last_heldout(app, run.run_id)
        said = training_runs.answers(app, run.run_id, last=True)
        names: list[str] = list(said[0]["measures"]) if said else []
        known = found | {name: fmean(row["measures"][name] for row in said) for name in names}
        _ends[str(run.path)] = known  # what is done does not change
    return known


_ends: dict[str, dict[str, float]] = {}


class SweepResult(TypedDict):
    """What the finished runs of one sweep, arm and budget of rows reached."""

    sweep: str
    arm: str
    rows: int
    measures: dict[str, Interval]


def results(app: App, run_ids: Sequence[str]) -> list[SweepResult]:
    """``{sweep, arm, rows, measures: {name: interval}}`` for each sweep, arm and budget, of the runs that are done.

    Runs of one sweep and arm differ in their seed alone; ``rows`` is what the first slice was limited to, 0 for all.
    """
    groups: dict[tuple[str, str, int], list[dict[str, float]]] = {}
    for run_id in run_ids:
        run = app.run_dir(run_id)
        if ends := end_of(app, run):
            config = run.load(DistillConfig)
            groups.setdefault((config.sweep, config.arm, config.slices[0].rows), []).append(ends)
    table: list[SweepResult] = []
    for (sweep, arm, rows), ends in sorted(groups.items()):
        names = sorted({name for end in ends for name in end})
        measures = {name: t_interval([e[name] for e in ends if name in e]) for name in names}
        table.append({"sweep": sweep, "arm": arm, "rows": rows, "measures": measures})
    return table
