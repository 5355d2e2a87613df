"""Training a student: the recipe, the check before the start, the curves."""

from __future__ import annotations

import json
from pathlib import Path
from statistics import mean
from typing import Any

from kdcore.configs.distillation import DistillConfig
from kdcore.errors import ConfigError
from kdcore.evaluate.measures import of_text
from kdcore.filters import FILTERS
from kdcore.filters.citations import unsupported
from kdcore.jobs.run_dir import RunDir
from kdcore.models import DEFAULT_TEACHER, layer_count
from kdcore.records.datasets import VersionRow
from kdcore.records.runs import HardRow, MeasuredSaid, Point, PreflightReport, Said, StepRow, Trust, WatchedRun
from kdcore.resources import GENERAL
from kdcore.services import governance, models, names
from kdcore.services.datasets import topk as stored_topk
from kdcore.services.distill.input import Part, refuse_leaks, write_input
from kdcore.services.workspace import App
from kdcore.store import dataset_rows, datasets, metrics, runs, training

LEFT = ("student", "reward_model", "classifier")


def teacher_of(app: App, dataset_id: str) -> str:
    """The model whose words a student of this version learns.

    The one that wrote most of it; where that one is not on this machine, the last that scored it here; the built-in
    teacher where neither can be told.
    """
    writer = datasets.main_teacher(app.store, dataset_id)
    if writer and runs.ran_here(app.store, writer):
        return writer
    return stored_topk.last_scorer(app, dataset_id) or writer or DEFAULT_TEACHER


def taught_by(app: App, config: DistillConfig) -> str:
    """The teacher of a run; runs of before it was noted are asked for their version's."""
    return config.teacher or teacher_of(app, config.slices[0].dataset_id)


def resolve_paths(app: App, config: DistillConfig) -> DistillConfig:
    """Fill in local folders; raises ConfigError for unknown models, versions or too many layers."""
    for part in config.slices:
        if datasets.get(app.store, part.dataset_id) is None:
            raise ConfigError(f'there is no dataset version "{part.dataset_id}" in this workspace.')
    teacher = taught_by(app, config)
    thinned = config.student.init == "teacher_layers"
    paths: dict[str, Any] = {"teacher_path": local_teacher(app, teacher, required=thinned)}
    if config.needs_teacher and not paths["teacher_path"]:
        raise ConfigError(
            f'"{teacher}" is reached by an endpoint, so it can\'t sit beside the student; '
            "compare with its stored top-k, or choose sequence_level_kd."
        )
    if not thinned:
        paths["student_path"] = str(models.folder_of(app, config.student.model) or config.student.model)
    else:
        total = layer_count(models.folder_of(app, teacher))
        if total is not None and config.student.keep_layers > total:
            raise ConfigError(f"the teacher has {total} layers; {config.student.keep_layers} can't be kept.")
    if config.anchor:
        paths["anchor_path"] = str(models.folder_of(app, config.anchor) or config.anchor)
    if config.slices[0].traits.kind == "policy" and config.policy.reward == "reward_model":
        folder = app.run_dir(config.policy.reward_run).path / "reward_model"
        if not _is_there(folder):
            raise ConfigError(
                f"the run {config.policy.reward_run} has no finished reward model; choose one that has."
            )
        paths["policy"] = config.policy.model_copy(update={"reward_path": str(folder)})
    return config.model_copy(update=paths)


def local_teacher(app: App, teacher: str, *, required: bool) -> str:
    """The teacher's folder or Hub id; "" for one that is reached by an endpoint, unless it is ``required``."""
    here = runs.ran_here(app.store, teacher) or teacher in stored_topk.scorers(app)
    if not required and not here:
        return ""
    return str(models.folder_of(app, teacher) or teacher)


def make_run(app: App, kind: str, project_id: str, config: DistillConfig) -> RunDir:
    """A run with everything it needs in its folder, not started yet."""
    ids = [part.dataset_id for part in config.slices]
    governance.refuse_terms(app, project_id, ids)
    config = resolve_paths(app, config.model_copy(update={"project_id": project_id}))
    config = config.model_copy(update={"teacher": taught_by(app, config)})
    earlier = learnt_before(app, config.student.model)
    refuse_leaks([*(dataset_rows.rows_of(app.store, dataset_id) for dataset_id in ids), earlier])
    run = app.create_run(kind, config)
    parts = [
        Part(
            part.dataset_id,
            part.selection,
            part.rows,
            config.seed,
            part.subset,
            bad_too=part.traits.unary,
            teachers=part.teachers,
            tail=part.tail,
        )
        for part in config.slices
    ]
    write_input(app, run.path / "input.parquet", parts, config.teacher, prompt=config.prompt)
    if kind == "distill" and config.general_rows:
        run.write_lines("general.jsonl", [json.loads(line) for line in GENERAL.read_text("utf-8").splitlines()])
    return run


def learnt_before(app: App, model: str) -> list[VersionRow]:
    """Training rows of the versions that an earlier student learnt from, and the student before it."""
    rows: list[VersionRow] = []
    while models.is_student(app, model):
        config = app.run_dir(model).load(DistillConfig)
        for part in config.slices:
            every = dataset_rows.rows_of(app.store, part.dataset_id, rejected=part.traits.unary)
            rows += [row for row in every if row["split"] != "heldout"]
        model = config.student.model if config.student.init == "model" else ""
    return rows


def start_preflight(app: App, project_id: str, config: DistillConfig) -> RunDir:
    """Check a recipe without training."""
    return app.launch(make_run(app, "preflight", project_id, config))


def start_run(app: App, project_id: str, config: DistillConfig) -> RunDir:
    """Train; the worker makes the same checks first and refuses what can't learn."""
    return app.launch(make_run(app, "distill", project_id, config))


def preflight_report(app: App, run_id: str) -> PreflightReport | None:
    """The findings of a check or of a training run; None until they are there."""
    path = app.run_dir(run_id).path / "preflight.json"
    return json.loads(path.read_bytes()) if path.exists() else None


def list_runs(app: App, project_id: str) -> list[WatchedRun]:
    """Training runs with their status, newest first."""
    return [{**run, "status": app.status(run["run_id"])} for run in runs.list_runs(app.store, project_id, "distill")]


def curves(app: App, run_ids: list[str]) -> list[Point]:
    """All curves of some runs: rows of run_id, split, name, step, value, time."""
    return metrics.curves(app.store, run_ids)


def rows_of_step(app: App, run_id: str, step: int) -> list[StepRow]:
    """The rows that one step was made of, the highest loss first."""
    return training.rows_of_step(app.store, run_id, step)


def hardest(app: App, run_id: str, limit: int = 20) -> list[HardRow]:
    """The rows that the student still found hardest when it last met them."""
    return training.hardest(app.store, run_id, limit)


def answers(app: App, run_id: str, *, last: bool = False) -> list[MeasuredSaid]:
    """What the student said at each evaluation, or at the last, with each measure of its text (``measures``)."""
    versions = [part["dataset_id"] for part in app.run_dir(run_id).config()["slices"]]
    found = training.answers(app.store, run_id, versions, last=last)
    return [{**row, "measures": of_text(row["completion"], row["reference"] or "")} for row in found]


def trust(app: App, run_id: str) -> list[Trust]:
    """For each evaluation the share of the shown answers that can't be trusted, in order of steps.

    ``[{step, answers, refuses, repeats, cites}]``, shares from 0 to 1; ``cites`` counts answers that name a provision
    which question, passage and frozen answer do not.
    """
    by_step: dict[int, list[Said]] = {}
    versions = [part["dataset_id"] for part in app.run_dir(run_id).config()["slices"]]
    for row in training.answers(app.store, run_id, versions):
        by_step.setdefault(row["step"], []).append(row)
    found: list[Trust] = []
    for step, rows in sorted(by_step.items()):
        said = [{"question": row["question"] or "", "answer": row["completion"]} for row in rows]
        fails = {
            name: [not v.passed for v in FILTERS[name].verdicts(said, FILTERS[name].config())]
            for name in ("refusal", "repetition")
        }
        cites = [
            bool(unsupported(row["completion"], row["question"] or "", row["source"] or "", row["reference"] or ""))
            for row in rows
        ]
        found.append(
            {
                "step": step,
                "answers": len(rows),
                "refuses": mean(fails["refusal"]),
                "repeats": mean(fails["repetition"]),
                "cites": mean(cites),
            }
        )
    return found


def last_heldout(app: App, run_id: str) -> dict[str, float]:
    """The last value of each held-out measure."""
    return metrics.last_heldout(app.store, run_id)


def has_student(app: App, run_id: str) -> bool:
    """Whether a run left a student that can be loaded and asked."""
    return _is_there(app.run_dir(run_id).path / "student")


def model_folder(app: App, run_id: str) -> Path | None:
    """What a run left: a student, a reward model or a classifier; None before."""
    path = app.run_dir(run_id).path
    return next((path / name for name in LEFT if _is_there(path / name)), None)


def reward_models(app: App, project_id: str) -> dict[str, str]:
    """Runs of a project that left a reward model, with their names, newest first."""
    found = names.called(app, project_id, "distill")
    return {run: name for run, name in found.items() if _is_there(app.run_dir(run).path / "reward_model")}


def _is_there(folder: Path) -> bool:
    return (folder / "config.json").exists()
