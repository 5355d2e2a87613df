"""Asking the teacher: forecasts, runs that resume, and where every row went."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, TypedDict

from kdcore.configs.base import load_config
from kdcore.configs.elicitation import BudgetConfig, GenerateConfig, PromptTemplate, TargetConfig
from kdcore.configs.selection import Selection
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.elicitation.requests import Prepared, prepare
from kdcore.errors import ConfigError, JobError
from kdcore.jobs.run_dir import RunDir
from kdcore.records.figures import LossReason
from kdcore.records.runs import WatchedRun
from kdcore.services import governance, models, projects
from kdcore.services.elicit import programs
from kdcore.services.elicit import seeds as method_seeds
from kdcore.services.workspace import App
from kdcore.store import runs, samples


class RunFunnel(TypedDict):
    """Where every request and row of a run went."""

    requested: int
    answered: int
    waiting: int
    rows: int
    by_status: dict[str, int]
    reasons: list[LossReason]
    target: int
    aside: list[dict[str, str]]


# ---- runs ---------------------------------------------------------------------------------------------
def start_run(
    app: App,
    project_id: str,
    prompt_version_id: str,
    teacher: TeacherConfig,
    sampling: SamplingConfig,
    rows: int | None = None,
    topics: list[str] | None = None,
    *,
    target: TargetConfig | None = None,
    budget: BudgetConfig | None = None,
    selection: Selection | None = None,
    seed_ids: list[str] | None = None,
) -> RunDir:
    """Write the requests and start the worker. Raises ConfigError when there is nothing to ask."""
    template = projects.template_of(app, project_id, prompt_version_id)
    method = find_method(METHODS, template.method)
    models.refuse_engine(method, teacher)
    terms = governance.refuse_zone(app, project_id, teacher)
    path, fingerprint = models.resolve_teacher(app, teacher)
    seeds = method_seeds.for_method(
        app, project_id, method.name, topics=topics, limit=rows, selection=selection, seed_ids=seed_ids
    )
    if not seeds:
        raise ConfigError(method_seeds.missing(method.name))
    models.try_teacher(teacher)
    # A repeat of a prompt version is meant as more answers: its requests get ids of their own.
    earlier = sum(
        run["config"]["prompt_version_id"] == prompt_version_id
        for run in runs.list_runs(app.store, project_id, "generate")
    )
    prepared = prepare(template, prompt_version_id, seeds, index=earlier)
    if not prepared.requests:
        raise ConfigError(f"no row can be asked: {prepared.aside[0].reason}.")
    programs.refuse_unread(app, project_id, method, prepared.requests)
    config = GenerateConfig(
        project_id=project_id,
        prompt_version_id=prompt_version_id,
        template=template,
        teacher=teacher,
        sampling=sampling,
        teacher_path=path,
        teacher_fingerprint=fingerprint,
        target=target or TargetConfig(),
        budget=budget or BudgetConfig(),
        replies=str(app.folders.replies),
        terms_id=terms.entry.id,
        terms_version=terms.version,
    )
    run = app.create_run("generate", config)
    run.write_lines("requests.jsonl", (asdict(request) for request in prepared.requests))
    run.write_lines("aside.jsonl", (asdict(aside) for aside in prepared.aside))
    run.write_lines("pool.jsonl", method_seeds.pool_of(app, project_id, method.name))
    return app.launch(run)


def look(
    app: App,
    project_id: str,
    template: PromptTemplate,
    teacher: TeacherConfig,
    sampling: SamplingConfig,
    rows: int | None = None,
    topics: list[str] | None = None,
) -> Prepared:
    """What a run would ask: its requests, the seeds that can't be asked, and what to know before a call is paid."""
    seeds = method_seeds.for_method(app, project_id, template.method, topics=topics, limit=rows)
    return prepare(template, "draft", seeds, room=max(0, teacher.max_model_len - sampling.max_tokens))


def regenerate(app: App, sample_id: str) -> RunDir:
    """Ask the request of one sample again, with the settings of its run: a new row beside the old one."""
    found = samples.by_ids(app.store, [sample_id])
    if not found:
        raise ConfigError(f'there is no sample "{sample_id}" in this workspace.')
    [row] = found
    config = app.run_dir(row["run_id"]).load(GenerateConfig)
    return start_run(
        app, config.project_id, row["prompt_version_id"], config.teacher, config.sampling, seed_ids=[row["seed_id"]]
    )


def resume(app: App, run_id: str, budget: BudgetConfig | None = None) -> RunDir:
    """Go on with the requests that have no terminal record; ``budget`` replaces the run's own from now on."""
    run = app.run_dir(run_id)
    config = run.load(GenerateConfig)
    governance.refuse_zone(app, config.project_id, config.teacher)
    if budget is not None:
        run.write_lines("budget.jsonl", [budget.model_dump(mode="json")])
    return app.launch(run)


def budget_of(app: App, run_id: str) -> BudgetConfig:
    """The budget that holds for a run now: its own, or the last one that replaced it."""
    run = app.run_dir(run_id)
    raised = run.read_lines("budget.jsonl")
    return load_config(BudgetConfig, raised[-1] if raised else run.config()["budget"])


def retry_failed(app: App, run_id: str) -> RunDir:
    """Ask again what ended as failed."""
    run = app.run_dir(run_id)
    config = run.load(GenerateConfig)
    governance.refuse_zone(app, config.project_id, config.teacher)
    failed = samples.failed_requests(app.store, run_id)
    if not failed:
        raise JobError(f"run {run_id} has no failed row to retry.")
    earlier = run.read_lines("retry.jsonl")
    epoch = run.status().epoch
    new = [{"request_id": request, "attempt": past} for request in failed for past in range(1, epoch + 1)]
    run.write_lines("retry.jsonl", earlier + new)
    return app.launch(run)


def funnel(app: App, run_id: str) -> RunFunnel:
    """Where every request and every row went, with a reason for each loss; the numbers add up.

    ``requested = answered + waiting`` counts requests; ``by_status`` counts the rows they gave.
    """
    run = app.run_dir(run_id)
    config = run.config()
    counts = samples.status_counts(app.store, config["project_id"], run_id)
    answered = samples.count_requests(app.store, run_id)
    target = config.get("target", {}).get("rows", 0)
    ended = target and app.status(run_id).state == "done"
    # A target may ask a seed more than once, or not at all once it is met.
    requested = answered if ended else max(run.count_lines("requests.jsonl"), answered)
    return {
        "requested": requested,
        "answered": answered,
        "waiting": requested - answered,
        "rows": sum(counts.values()),
        "by_status": counts,
        "reasons": samples.loss_reasons(app.store, run_id),
        "target": target,
        "aside": run.read_lines("aside.jsonl"),
    }


def list_runs(app: App, project_id: str) -> list[WatchedRun]:
    """Generation runs with their status, newest first."""
    return [{**run, "status": app.status(run["run_id"])} for run in runs.list_runs(app.store, project_id, "generate")]


def eta_s(progress: Mapping[str, Any]) -> float | None:
    """Seconds left at the present rate."""
    rate = progress.get("rate") or 0
    left = progress.get("total", 0) - progress.get("done", 0)
    if not rate or left <= 0:
        return None
    return max(0.0, left / rate - max(0.0, time.time() - progress.get("time", time.time())))
