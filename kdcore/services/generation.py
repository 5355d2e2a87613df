"""Asking the teacher: previews on a warm engine, forecasts, runs that resume, and where every row went."""

from __future__ import annotations

import time
from dataclasses import asdict
from typing import Any

from kdcore.configs.elicitation import GenerateConfig, PromptTemplate
from kdcore.configs.serving import ServeConfig
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.elicitation.requests import build_requests
from kdcore.errors import ConfigError, JobError
from kdcore.jobs import mailbox
from kdcore.jobs.run_dir import RunDir
from kdcore.services import models, projects
from kdcore.services.app import App
from kdcore.store import runs, samples
from kdcore.types import TERMINAL_STATES, Reply, Request


def render(app: App, project_id: str, template: PromptTemplate, rows: int = 3) -> list[Request]:
    """The first requests exactly as they will be sent."""
    return build_requests(template, "draft", projects.seeds(app, project_id, limit=rows))


# ---- previews -----------------------------------------------------------------------------------------
def warm_service(app: App, config: ServeConfig) -> RunDir:
    """The running service with this config, started if there is none."""
    wanted = config.model_dump(mode="json")
    for run, _ in app.active_runs():
        if run.kind == "serve" and run.config() == wanted and run.asked() is None:
            return run
    for run, _ in app.active_runs():
        if run.kind == "serve" and run.config()["service"] == config.service:
            app.stop(run.run_id)  # the same service for another model: make room
    return app.launch(app.create_run("serve", config))


def warm_teacher(app: App, teacher: TeacherConfig) -> RunDir:
    """A warm teacher for previews."""
    path, _ = models.resolve_teacher(app, teacher)
    return warm_service(app, ServeConfig(service="teacher", teacher=teacher, teacher_path=path))


def start_preview(
    app: App,
    project_id: str,
    template: PromptTemplate,
    teacher: TeacherConfig,
    sampling: SamplingConfig,
    rows: int = 3,
) -> tuple[str, str, list[Request]]:
    """Ask the warm teacher the first rows; returns (run id, question key, requests) to poll with."""
    find_method(METHODS, template.method)
    requests = render(app, project_id, template, rows)
    if not requests:
        raise ConfigError("there are no seed questions to try; import some first.")
    run = warm_teacher(app, teacher)
    body = {"requests": [asdict(r) for r in requests], "sampling": sampling.model_dump(mode="json")}
    return run.run_id, mailbox.ask(run, body), requests


def preview_answer(
    app: App, run_id: str, key: str, template: PromptTemplate, requests: list[Request]
) -> list[dict[str, Any]] | None:
    """Parsed replies of a preview, by the very parser of the full run; None while awaited."""
    run = app.run_dir(run_id)
    body = mailbox.answer_to(run, key)
    if body is None:
        status = app.status(run_id)
        if status.state in TERMINAL_STATES:
            raise JobError(f"the warm teacher {run_id} has stopped ({status.message or status.state}); try again.")
        return None
    method = find_method(METHODS, template.method)
    by_id = {request.request_id: request for request in requests}
    results: list[dict[str, Any]] = []
    for raw in body["replies"]:
        reply = Reply(**raw)
        parsed = method.parse(reply, template.method_config)
        results.append(
            {"request": by_id[reply.request_id], "reply": reply, "parsed": parsed, "seconds": body["seconds"]}
        )
    return results


# ---- forecast -----------------------------------------------------------------------------------------
def forecast(
    app: App, project_id: str, teacher: TeacherConfig, sampling: SamplingConfig, rows: int
) -> dict[str, Any]:
    """Tokens, seconds and money of a run, from what this teacher did before; ``basis`` says from what."""
    past = app.store.one(
        "SELECT avg(prompt_tokens) AS prompt, avg(completion_tokens) AS completion, count(*) AS rows "
        "FROM samples WHERE project_id = ? AND teacher = ? AND status <> 'failed'",
        [project_id, teacher.model],
    )
    speed = _past_speed(app, project_id, teacher.model)
    answers = rows * sampling.n
    if past and past["rows"]:
        prompt, completion = float(past["prompt"]), min(float(past["completion"]), sampling.max_tokens)
        basis = f"{past['rows']} earlier answers of this teacher"
    else:
        prompt, completion = 80.0, sampling.max_tokens * 0.6
        basis = "no answer yet: 60 % of the longest answer is assumed"
    tokens_in, tokens_out = round(rows * prompt), round(answers * completion)
    money = tokens_in / 1e6 * teacher.price_in + tokens_out / 1e6 * teacher.price_out
    return {
        "answers": answers,
        "tokens_in": tokens_in,
        "tokens_out": tokens_out,
        "seconds": tokens_out / speed if speed else None,
        "money": money if teacher.engine == "openai_http" else None,
        "basis": basis,
    }


def _past_speed(app: App, project_id: str, model: str) -> float | None:
    """Tokens a second of the newest finished run of this teacher."""
    for run in runs.list_runs(app.store, project_id, "generate"):
        if run["config"]["teacher"]["model"] == model:
            speed = app.run_dir(run["run_id"]).status().progress.get("tokens_per_s")
            if speed:
                return float(speed)
    return None


# ---- runs ---------------------------------------------------------------------------------------------
def start_run(
    app: App,
    project_id: str,
    prompt_version_id: str,
    teacher: TeacherConfig,
    sampling: SamplingConfig,
    rows: int | None = None,
    topics: list[str] | None = None,
) -> RunDir:
    """Write the requests and start the worker. Raises ConfigError when there is nothing to ask."""
    template = projects.template_of(app, project_id, prompt_version_id)
    path, fingerprint = models.resolve_teacher(app, teacher)
    seeds = projects.seeds(app, project_id, topics=topics, limit=rows)
    if not seeds:
        raise ConfigError("there are no seed questions to ask; import some on the Elicit page.")
    # A repeat of a prompt version is meant as more answers: its requests get ids of their own.
    earlier = sum(
        run["config"]["prompt_version_id"] == prompt_version_id
        for run in runs.list_runs(app.store, project_id, "generate")
    )
    requests = build_requests(template, prompt_version_id, seeds, index=earlier)
    config = GenerateConfig(
        project_id=project_id,
        prompt_version_id=prompt_version_id,
        template=template,
        teacher=teacher,
        sampling=sampling,
        teacher_path=path,
        teacher_fingerprint=fingerprint,
    )
    run = app.create_run("generate", config)
    run.write_lines("requests.jsonl", (asdict(request) for request in requests))
    return app.launch(run)


def resume(app: App, run_id: str) -> RunDir:
    """Go on with the requests that have no terminal record."""
    return app.launch(app.run_dir(run_id))


def retry_failed(app: App, run_id: str) -> RunDir:
    """Ask again what ended as failed."""
    run = app.run_dir(run_id)
    failed = app.store.rows(
        "SELECT DISTINCT request_id FROM samples WHERE run_id = ? AND status = 'failed'", [run_id]
    )
    if not failed:
        raise JobError(f"run {run_id} has no failed row to retry.")
    earlier = run.read_lines("retry.jsonl")
    epoch = run.status().epoch
    new = [{"request_id": row["request_id"], "attempt": past} for row in failed for past in range(1, epoch + 1)]
    run.write_lines("retry.jsonl", earlier + new)
    return app.launch(run)


def funnel(app: App, run_id: str) -> dict[str, Any]:
    """Requested → answered → parsed, and every loss with its reason; the numbers add up."""
    run = app.run_dir(run_id)
    config = run.config()
    requested = run.count_lines("requests.jsonl") * config["sampling"]["n"]
    counts = samples.status_counts(app.store, config["project_id"], run_id)
    answered = sum(counts.values())
    return {
        "requested": requested,
        "answered": answered,
        "waiting": requested - answered,
        "by_status": counts,
        "reasons": samples.loss_reasons(app.store, run_id),
    }


def list_runs(app: App, project_id: str) -> list[dict[str, Any]]:
    """Generation runs with their status, newest first."""
    return [run | {"status": app.status(run["run_id"])} for run in runs.list_runs(app.store, project_id, "generate")]


def eta_s(progress: dict[str, Any]) -> float | None:
    """Seconds left at the present rate."""
    rate = progress.get("rate") or 0
    left = progress.get("total", 0) - progress.get("done", 0)
    if not rate or left <= 0:
        return None
    return max(0.0, left / rate - max(0.0, time.time() - progress.get("time", time.time())))
