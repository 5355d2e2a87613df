"""Routing: each topic, or each group on the map, is asked of the run that did best in it."""

from __future__ import annotations

from typing import Literal, TypedDict

from kdcore.configs.elicitation import BudgetConfig, GenerateConfig
from kdcore.errors import ConfigError
from kdcore.jobs.run_dir import RunDir
from kdcore.records.rows import VerdictKey
from kdcore.services.elicit import seeds as method_seeds
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App
from kdcore.store import maps, routing, runs, verdicts
from kdcore.types import TERMINAL_STATES

By = Literal["topic", "cluster"]


class PartComparison(TypedDict):
    """One topic or group: its rows, each run's share or mean score (None without a row), and the best run."""

    part: str
    rows: int
    shares: dict[str, float | None]
    best: str


def compare(app: App, project_id: str, run_ids: list[str], by: By, check: str = "") -> list[PartComparison]:
    """``[{part, rows, shares: {run: number or None}, best}]``, the parts in the order of their names.

    A share is usable rows of all rows, 0 to 1; with a ``check`` it is that check's mean score instead. ``best`` is
    the run with the highest; of equals the one named first. A run without a row in a part has None there.
    Raises ConfigError for what is no generation run, and for a check that has not run.
    """
    for run_id in run_ids:
        _config(app, run_id)  # says so where it is no run of a teacher
    known = {VerdictKey(row["kind"], row["filter"]).text for row in verdicts.counts(app.store, project_id)}
    if check and check not in known:
        raise ConfigError(f'no answer of this project has a score of "{check}"; run that check first.')
    found: dict[str, PartComparison] = {}
    for row in routing.by_part(app.store, run_ids, by, _map(app, project_id, by), check):
        new: PartComparison = {"part": row["part"], "rows": 0, "shares": dict.fromkeys(run_ids), "best": run_ids[0]}
        entry = found.setdefault(row["part"], new)
        entry["rows"] += row["rows"]
        entry["shares"][row["run_id"]] = row["score"] if check else row["usable"] / row["rows"]
    for entry in found.values():
        known = {run_id: share for run_id, share in entry["shares"].items() if share is not None}
        entry["best"] = max(known, key=known.__getitem__) if known else run_ids[0]
    return sorted(found.values(), key=lambda entry: entry["part"])


def plan(app: App, project_id: str, chosen: dict[str, str], by: By) -> dict[str, list[str]]:
    """``{run: seeds}`` to ask, for ``chosen`` = ``{part: run}``: seeds of its parts that have no usable answer alike.

    What a run that has not ended will ask is left to it.

    Answers are alike when prompt version and teacher are the same. A topic has all its seeds; a group on the map
    those that have a row in it.
    """
    wanted: dict[str, list[str]] = {}
    for run_id in dict.fromkeys(chosen.values()):
        parts = [part for part, run in chosen.items() if run == run_id]
        config = _config(app, run_id)
        topics = parts if by == "topic" else None
        seeds = [
            row["seed_id"] for row in method_seeds.for_method(app, project_id, config.template.method, topics=topics)
        ]
        if by == "cluster":
            inside = routing.seeds_of_parts(app.store, project_id, parts, _map(app, project_id, by))
            seeds = [seed for seed in seeds if seed in inside]
        alike = _alike(app, project_id, config)
        done = routing.answered(app.store, alike) | _under_way(app, alike)
        if left := [seed for seed in seeds if seed not in done]:
            wanted[run_id] = left
    return wanted


def start(
    app: App, project_id: str, chosen: dict[str, str], by: By, budget: BudgetConfig | None = None
) -> list[RunDir]:
    """One run for each arm that is chosen, with its prompt version, teacher and sampling; they take turns.

    Each has the ``budget``, where none is given that of the arm.
    """
    wanted = plan(app, project_id, chosen, by)
    if not wanted:
        raise ConfigError("every question of these parts has a usable answer of its run; nothing is left to ask.")
    started: list[RunDir] = []
    for run_id, seeds in wanted.items():
        config = _config(app, run_id)
        started.append(
            generation_runs.start_run(
                app,
                project_id,
                config.prompt_version_id,
                config.teacher,
                config.sampling,
                seed_ids=seeds,
                budget=budget or config.budget,
            )
        )
    return started


def _under_way(app: App, run_ids: list[str]) -> set[str]:
    """Seeds of runs that have not ended."""
    active = [run_id for run_id in run_ids if app.status(run_id).state not in TERMINAL_STATES]
    return {row["seed_id"] for run_id in active for row in app.run_dir(run_id).read_lines("requests.jsonl")}


def _map(app: App, project_id: str, by: By) -> str:
    if by == "topic":
        return ""
    found = maps.newest(app.store, project_id)
    if found is None:
        raise ConfigError("groups come from a map of the answers; draw one on the Explore page, or go by topic.")
    return found


def _config(app: App, run_id: str) -> GenerateConfig:
    return app.run_dir(run_id).load(GenerateConfig)


def _alike(app: App, project_id: str, config: GenerateConfig) -> list[str]:
    """Runs with the same prompt version and teacher."""
    return [
        run["run_id"]
        for run in runs.list_runs(app.store, project_id, "generate")
        if run["config"]["prompt_version_id"] == config.prompt_version_id
        and run["config"]["teacher_fingerprint"] == config.teacher_fingerprint
    ]
