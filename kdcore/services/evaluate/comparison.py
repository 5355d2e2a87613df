"""Candidates compared on held-out rows, and asked one question side by side."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.configs.evaluation import Candidate, EvaluateConfig
from kdcore.configs.serving import ServeConfig
from kdcore.errors import ConfigError, JobError
from kdcore.evaluate.measures import MEASURES
from kdcore.evaluate.statistics import Interval, bootstrap_mean, paired_difference
from kdcore.jobs import mailbox
from kdcore.jobs.run_dir import RunDir
from kdcore.records.runs import ComparedItem, WatchedRun
from kdcore.services import models
from kdcore.services.datasets.chat_text import texts, with_question
from kdcore.services.distill import runs as training_runs
from kdcore.services.distill.input import Part, refuse_leaks, write_input
from kdcore.services.explore import samples as explore_samples
from kdcore.services.warm import warm_service
from kdcore.services.workspace import App
from kdcore.store import dataset_rows, evaluations, runs
from kdcore.types import TERMINAL_STATES

BASE, STUDENT, TEACHER = "base", "student", "teacher"


def build_config(app: App, train_run_ids: str | Sequence[str], **changes: Any) -> EvaluateConfig:
    """Base, students and teacher of training runs; the base and the teacher are those of the first.

    A single student is called that, several by their runs' names. ``changes`` are fields of the config that replace
    these, candidates of one's own among them. Raises ConfigError while a run has no student.
    """
    run_ids = [train_run_ids] if isinstance(train_run_ids, str) else list(train_run_ids)
    for run_id in run_ids:
        if not training_runs.has_student(app, run_id):
            raise ConfigError(f"run {run_id} has no student yet; wait until it ends, or stop and keep it.")
    trained = app.run_dir(run_ids[0]).load(DistillConfig)
    thinned = trained.student.init == "teacher_layers"
    base = Candidate(
        label=BASE,
        model=trained.teacher_path if thinned else trained.student_path,
        keep_layers=trained.student.keep_layers if thinned else 0,
        prompt=trained.prompt,
    )
    students = [
        Candidate(
            label=label,
            model=str(app.run_dir(run_id).path / "student"),
            prompt=app.run_dir(run_id).load(DistillConfig).prompt,
        )
        for run_id, label in zip(run_ids, _labels(app, run_ids), strict=True)
    ]
    teacher = [Candidate(label=TEACHER, model=trained.teacher_path)] if trained.teacher_path else []
    usual = EvaluateConfig(
        project_id=trained.project_id,
        train_run_id=run_ids[0],
        dataset_id=trained.slices[0].dataset_id,
        candidates=(base, *students, *teacher),
        teacher=TEACHER if teacher else "",
    )
    own_teacher = {"teacher": ""} if "candidates" in changes else {}
    given = load_config(EvaluateConfig, usual.model_dump() | own_teacher | changes, app.folders.mounts)
    found = (c.model_copy(update={"model": str(models.folder_of(app, c.model) or c.model)}) for c in given.candidates)
    return given.model_copy(update={"candidates": tuple(found)})


def _labels(app: App, run_ids: Sequence[str]) -> list[str]:
    """``student`` for a single one; else the names of the runs, with the end of their ids where two are alike."""
    if len(run_ids) == 1:
        return [STUDENT]
    names = [str(app.run_dir(run_id).config().get("name") or "Student") for run_id in run_ids]
    return [
        name if names.count(name) == 1 and name not in (BASE, TEACHER) else f"{name} ({run_id[-4:]})"
        for name, run_id in zip(names, run_ids, strict=True)
    ]


def start_run(app: App, train_run_ids: str | Sequence[str], **changes: Any) -> RunDir:
    """Evaluate students of training runs on the held-out rows of the first run's first dataset version.

    Raises ConfigError where nothing is held out, and where another student has learnt what is.
    """
    config = build_config(app, train_run_ids, **changes)
    held = dataset_rows.rows_of(app.store, config.dataset_id, "heldout")
    if not held:
        raise ConfigError("this dataset version has no held-out rows; freeze one with a held-out share.")
    others = [] if isinstance(train_run_ids, str) else list(train_run_ids)[1:]
    for run_id in others:
        refuse_leaks([held, training_runs.learnt_before(app, run_id)])
    run = app.create_run("evaluate", config)
    trained = app.run_dir(config.train_run_id).load(DistillConfig)
    teacher = training_runs.taught_by(app, trained)
    write_input(
        app, run.path / "input.parquet", [Part(config.dataset_id)], teacher, split="heldout", prompt="question"
    )
    return app.launch(run)


def list_runs(app: App, project_id: str) -> list[WatchedRun]:
    """Evaluations with their status, newest first."""
    return [{**run, "status": app.status(run["run_id"])} for run in runs.list_runs(app.store, project_id, "evaluate")]


def labels_of(app: App, run_id: str) -> list[str]:
    """The candidates of an evaluation in their order; those of 0.1.0 are put as today: base, student, teacher."""
    labels = [c.label for c in app.run_dir(run_id).load(EvaluateConfig).candidates]
    return sorted(labels, key=lambda label: (label != BASE, label == TEACHER))


def shown_the_question_alone(app: App, run_id: str) -> bool:
    """Whether a comparison's students answer without the teacher's instructions and examples."""
    found = app.run_dir(run_id).load(EvaluateConfig).candidates
    return any(c.prompt == "question" for c in found if c.label not in (BASE, TEACHER))


def summary(app: App, run_id: str) -> dict[str, dict[str, Interval]]:
    """For each candidate its measures with 95 % intervals, means over tokens or answers as the table says."""
    values = _by_candidate(app, run_id)
    result: dict[str, dict[str, Interval]] = {}
    for label in [label for label in labels_of(app, run_id) if label in values]:
        found = values[label]
        tokens = list(found.pop("tokens", {}).values())
        result[label] = {
            name: bootstrap_mean(list(rows.values()), tokens if _per_token(name) else None)
            for name, rows in found.items()
        }
        for measure in MEASURES.values():
            if measure.then is not None and (source := result[label].get(measure.of)):
                ends = {key: measure.then(source[key]) for key in ("mean", "low", "high")}
                result[label][measure.name] = {**ends, "n": source["n"]}
    return result


def differences(app: App, run_id: str, against: str = BASE) -> dict[str, dict[str, Interval]]:
    """How far each other candidate lies above ``against``, on the rows that both answered, with 95 % intervals."""
    values = _by_candidate(app, run_id)
    first = values.pop(against, {})
    found: dict[str, dict[str, Interval]] = {}
    for label in [label for label in labels_of(app, run_id) if label in values]:
        for name, rows in values[label].items():
            both = [sample for sample in rows if name in first and sample in first[name]]
            if name == "tokens" or not both:
                continue
            weights = [values[label]["tokens"][s] for s in both] if _per_token(name) else None
            pairs = [rows[s] for s in both], [first[name][s] for s in both]
            found.setdefault(label, {})[name] = paired_difference(*pairs, weights)
    return found


def _per_token(name: str) -> bool:
    return name in MEASURES and MEASURES[name].per == "token"


def _by_candidate(app: App, run_id: str) -> dict[str, dict[str, dict[str, float]]]:
    """Candidate → measure → sample → value."""
    found: dict[str, dict[str, dict[str, float]]] = {}
    for item in evaluations.items(app.store, run_id):
        for name, value in item["measures"].items():
            found.setdefault(item["candidate"], {}).setdefault(name, {})[item["sample_id"]] = value
    return found


def rows_like(app: App, run_id: str, sample_id: str) -> tuple[str, str]:
    """Search what the compared student learnt from for rows like one; returns (run id, question key) to poll with."""
    config = app.run_dir(run_id).load(EvaluateConfig)
    learnt = {row["sample_id"] for row in training_runs.learnt_before(app, config.train_run_id)}
    if not learnt:
        raise ConfigError("nothing is known of what this student learnt from; its training run is not here.")
    return explore_samples.start_search(app, config.project_id, sample_id=sample_id, among=sorted(learnt))


def worst_first(app: App, run_id: str) -> list[ComparedItem]:
    """One row a question with every answer, the (first) student's furthest from the teacher first."""
    students = [label for label in labels_of(app, run_id) if label not in (BASE, TEACHER)]
    grouped: dict[str, ComparedItem] = {}
    for item in evaluations.items(app.store, run_id):
        new: ComparedItem = {
            "sample_id": item["sample_id"],
            "question": item["question"],
            "reference": item["reference"],
            "topic": item["topic"],
            "answers": {},
            "measures": {},
        }
        row = grouped.setdefault(item["sample_id"], new)
        row["answers"][item["candidate"]] = item["completion"]
        row["measures"][item["candidate"]] = item["measures"]

    def distance(row: ComparedItem) -> float:
        measured: dict[str, float] = row["measures"].get(students[0], {}) if students else {}
        return -measured.get("forward_kl", measured.get("nll", 0.0))

    return sorted(grouped.values(), key=distance)


def ask_all(
    app: App, train_run_ids: str | Sequence[str], question: str, system: str | None = None
) -> tuple[str, str, list[str]]:
    """Put one question to every candidate; returns (run id, question key, labels of the candidates) to poll with.

    Each is shown what it was trained to be shown: the prompt of the held-out rows, or the question alone; with
    ``system`` all are shown that instead.
    """
    if not question.strip():
        raise ConfigError("the question is empty.")
    config = build_config(app, train_run_ids)
    run = warm_service(app, ServeConfig(service="chat", models=config))
    alone = [{"role": "user", "content": question}]
    if system is None:
        body = {"messages": _as_trained(app, config, question), "alone": alone}
    else:
        body = {"messages": [*([{"role": "system", "content": system}] if system.strip() else []), *alone]}
    key = mailbox.ask(run, body)
    return run.run_id, key, [candidate.label for candidate in config.candidates]


def _as_trained(app: App, config: EvaluateConfig, question: str) -> list[dict[str, str]]:
    """The chat of a held-out row of the version with another question in it."""
    rows = dataset_rows.rows_of(app.store, config.dataset_id, "heldout")[:1]
    for row, chat in zip(rows, texts(app, rows), strict=True):
        asked: list[dict[str, str]] = json.loads(chat["messages"])
        if row["question"] and any(row["question"] in message["content"] for message in asked):
            return with_question(asked, {**row, "asked": row["question"], "question": question})
    return [{"role": "user", "content": question}]


def answers(app: App, run_id: str, key: str) -> dict[str, str] | None:
    """Answers by candidate; None while awaited."""
    body = mailbox.answer_to(app.run_dir(run_id), key)
    if body is None and app.status(run_id).state in TERMINAL_STATES:
        raise JobError(f"the chat service {run_id} has stopped; ask again.")
    return body
