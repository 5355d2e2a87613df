"""Comparing base, student and teacher, and asking all three."""

from __future__ import annotations

import math
from typing import Any

from kdcore.configs.distillation import DistillConfig
from kdcore.configs.evaluation import EvaluateConfig
from kdcore.configs.serving import ServeConfig
from kdcore.errors import ConfigError, JobError
from kdcore.evaluate.measures import bootstrap_mean
from kdcore.jobs import mailbox
from kdcore.jobs.run_dir import RunDir
from kdcore.services.distill import runs as training_runs
from kdcore.services.distill.input import Part, write_input
from kdcore.services.elicit.trial import warm_service
from kdcore.services.workspace import App
from kdcore.store import datasets, evaluations, runs
from kdcore.types import TERMINAL_STATES

PER_TOKEN = frozenset({"nll", "forward_kl", "top1"})


def build_config(app: App, train_run_id: str, **limits: Any) -> EvaluateConfig:
    """The three models of a training run; raises ConfigError while it has no student."""
    if not training_runs.has_student(app, train_run_id):
        raise ConfigError(f"run {train_run_id} has no student yet; wait until it ends, or stop and keep it.")
    run = app.run_dir(train_run_id)
    trained = DistillConfig.model_validate(run.config())
    thinned = trained.student.init == "teacher_layers"
    return EvaluateConfig(
        project_id=trained.project_id,
        train_run_id=train_run_id,
        dataset_id=trained.slices[0].dataset_id,
        base_path=trained.teacher_path if thinned else trained.student_path,
        base_keep_layers=trained.student.keep_layers if thinned else 0,
        student_path=str(run.path / "student"),
        teacher_path=trained.teacher_path,
        **limits,
    )


def start_run(app: App, train_run_id: str, **limits: Any) -> RunDir:
    """Evaluate a training run's student on the held-out rows of its first dataset version."""
    config = build_config(app, train_run_id, **limits)
    if not datasets.rows_of(app.store, config.dataset_id, "heldout"):
        raise ConfigError("this dataset version has no held-out rows; freeze one with a held-out share.")
    run = app.create_run("evaluate", config)
    teacher = training_runs.taught_by(app, DistillConfig.model_validate(app.run_dir(train_run_id).config()))
    write_input(app, run.path / "input.parquet", [Part(config.dataset_id)], teacher, split="heldout")
    return app.launch(run)


def list_runs(app: App, project_id: str) -> list[dict[str, Any]]:
    """Evaluations with their status, newest first."""
    return [run | {"status": app.status(run["run_id"])} for run in runs.list_runs(app.store, project_id, "evaluate")]


def summary(app: App, run_id: str) -> dict[str, dict[str, dict[str, float]]]:
    """For each model its measures with 95 % intervals; ``perplexity`` is exp of the mean nats a token."""
    by_role: dict[str, dict[str, list[float]]] = {}
    for item in evaluations.items(app.store, run_id):
        for name, value in item["measures"].items():
            by_role.setdefault(item["candidate"], {}).setdefault(name, []).append(value)
    result: dict[str, dict[str, dict[str, float]]] = {}
    for role, measures in by_role.items():
        tokens = measures.pop("tokens", None)
        result[role] = {
            name: bootstrap_mean(values, tokens if name in PER_TOKEN else None) for name, values in measures.items()
        }
        nll = result[role]["nll"]
        result[role]["perplexity"] = {
            **{key: math.exp(min(nll[key], 80.0)) for key in ("mean", "low", "high")},
            "n": nll["n"],
        }
    return result


def worst_first(app: App, run_id: str) -> list[dict[str, Any]]:
    """One row a question with the three answers, the student's furthest from the teacher first."""
    grouped: dict[str, dict[str, Any]] = {}
    for item in evaluations.items(app.store, run_id):
        row = grouped.setdefault(
            item["sample_id"],
            {key: item[key] for key in ("sample_id", "question", "reference", "topic")}
            | {"answers": {}, "measures": {}},
        )
        row["answers"][item["candidate"]] = item["completion"]
        row["measures"][item["candidate"]] = item["measures"]

    def distance(row: dict[str, Any]) -> float:
        student = row["measures"].get("student", {})
        return -student.get("forward_kl", student.get("nll", 0.0))

    return sorted(grouped.values(), key=distance)


def ask_all(app: App, train_run_id: str, question: str, system: str = "") -> tuple[str, str]:
    """Put one question to base, student and teacher; returns (run id, question key) to poll with."""
    if not question.strip():
        raise ConfigError("the question is empty.")
    config = build_config(app, train_run_id)
    run = warm_service(app, ServeConfig(service="chat", models=config))
    messages = [{"role": "system", "content": system}] if system.strip() else []
    return run.run_id, mailbox.ask(run, {"messages": [*messages, {"role": "user", "content": question}]})


def answers(app: App, run_id: str, key: str) -> dict[str, str] | None:
    """Answers by model; None while awaited."""
    body = mailbox.answer_to(app.run_dir(run_id), key)
    if body is None and app.status(run_id).state in TERMINAL_STATES:
        raise JobError(f"the chat service {run_id} has stopped; ask again.")
    return body
