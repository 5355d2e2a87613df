"""Sweeps: one recipe under several losses, budgets and seeds, trained one after the other and compared."""

from __future__ import annotations

import json
import math
import statistics
import threading
from collections.abc import Sequence
from itertools import product
from typing import Any

from kdcore import ids
from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.errors import ConfigError, KdError
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.services import distillation
from kdcore.services.app import App
from kdcore.types import TERMINAL_STATES

QUEUE = "queue.json"
MOST_RUNS = 100
# Student's t at 97.5 % for n - 1 degrees of freedom: the interval of a mean over few seeds
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262)
_lock = threading.Lock()  # pages and the background both change the queue


def plan(
    base: DistillConfig, losses: Sequence[str], rows: Sequence[int], seeds: Sequence[int], sweep: str
) -> list[DistillConfig]:
    """The runs of a sweep, seeds first; an empty list keeps what the recipe says.

    Raises ConfigError for a combination that can't be, or for more than MOST_RUNS runs.
    """
    losses = list(dict.fromkeys(losses)) or [base.slices[0].loss]
    rows = list(dict.fromkeys(rows)) or [base.slices[0].rows]
    seeds = list(dict.fromkeys(seeds)) or [base.seed]
    count = len(losses) * len(rows) * len(seeds)
    if count > MOST_RUNS:
        raise ConfigError(f"that makes {count} runs; at most {MOST_RUNS} are started at once, name fewer.")
    configs: list[DistillConfig] = []
    for seed, loss, limit in product(seeds, losses, rows):
        values = base.model_dump() | {"seed": seed, "sweep": sweep}
        values["slices"] = [part | {"loss": loss, "rows": limit} for part in values["slices"]]
        configs.append(load_config(DistillConfig, values))
    return configs


def start(
    app: App,
    project_id: str,
    base: DistillConfig,
    losses: Sequence[str] = (),
    rows: Sequence[int] = (),
    seeds: Sequence[int] = (),
) -> list[str]:
    """Make the runs of a sweep and queue them; returns their ids. Each starts when the one before has ended."""
    sweep = ids.new_run_id("sweep")
    made = [
        distillation.make_run(app, "distill", project_id, config).run_id
        for config in plan(base, losses, rows, seeds, sweep)
    ]
    app.tick()  # so that the page knows them at once
    with _lock:
        _write(app, [*queued(app), *made])
    advance(app)
    return made


def queued(app: App) -> list[str]:
    """Runs that wait for their turn, the next first."""
    path = app.folders.root / QUEUE
    return json.loads(path.read_bytes()) if path.exists() else []


def _write(app: App, run_ids: list[str]) -> None:
    write_json(app.folders.root / QUEUE, run_ids)


def take_out(app: App, run_ids: Sequence[str]) -> None:
    """Let some runs wait no longer; what has started goes on."""
    with _lock:
        _write(app, [run_id for run_id in queued(app) if run_id not in run_ids])


def advance(app: App) -> None:
    """Start the next queued run if no training is active; never blocks. Goes on after a restart of the app."""
    with _lock:
        waiting = queued(app)
        if not waiting or any(run.kind == "distill" for run, _ in app.active_runs()):
            return
        first, *rest = waiting
        _write(app, rest)
    try:
        run = app.run_dir(first)
        if run.status().epoch == 0:  # else somebody has started it by hand
            app.launch(run)
    except KdError as exc:
        app.report(f"the queued run {first} could not be started: {exc}")


def wait(app: App, run_ids: Sequence[str]) -> None:
    """Block until every run of a sweep has ended (for the command line and benchmarks)."""
    for run_id in run_ids:
        while app.run_dir(run_id).status().epoch == 0 and run_id in queued(app):
            advance(app)
            _pause()
        app.wait(run_id, timeout_s=24 * 3600)


def _pause() -> None:
    threading.Event().wait(0.2)


def end_of(app: App, run: RunDir) -> dict[str, float]:
    """The last held-out figures of a run that is done, ROUGE-L of its last answers included; {} before."""
    if run.status().state not in TERMINAL_STATES or run.status().state != "done":
        return {}
    points = [p for p in distillation.curves(app, [run.run_id]) if p["split"] == "heldout"]
    found = {p["name"]: p["value"] for p in points}
    said = distillation.answers(app, run.run_id)
    last = [row["rouge_l"] for row in said if row["step"] == max(r["step"] for r in said)]
    return found | ({"rouge_l": statistics.fmean(last)} if last else {})


def interval(values: Sequence[float]) -> dict[str, float]:
    """Mean over seeds with its 95 % t interval; ``low`` and ``high`` are NaN for a single value."""
    mean = statistics.fmean(values)
    half = math.nan
    if len(values) > 1:
        t = _T[len(values) - 2] if len(values) - 2 < len(_T) else 1.96
        half = t * statistics.stdev(values) / math.sqrt(len(values))
    return {"mean": mean, "low": mean - half, "high": mean + half, "n": len(values)}


def results(app: App, run_ids: Sequence[str]) -> list[dict[str, Any]]:
    """One row for each arm and budget: ``{arm, rows, measures: {name: interval}}``, over the runs that are done.

    Runs of one arm differ in their seed alone; ``rows`` is what a slice was limited to, 0 for all.
    """
    groups: dict[tuple[str, int], list[dict[str, float]]] = {}
    for run_id in run_ids:
        run = app.run_dir(run_id)
        config = load_config(DistillConfig, run.config())
        if ends := end_of(app, run):
            groups.setdefault((config.arm, config.slices[0].rows), []).append(ends)
    table: list[dict[str, Any]] = []
    for (arm, rows), ends in sorted(groups.items()):
        names = sorted(set().union(*ends))
        measures = {name: interval([e[name] for e in ends if name in e]) for name in names}
        table.append({"arm": arm, "rows": rows, "measures": measures})
    return table
