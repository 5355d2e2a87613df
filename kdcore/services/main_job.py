"""The main job: seeds → teacher → map → checks → dataset version → student → comparison.

A plan on disk with the runs of each stage: it goes on after a restart, in the app and from the command line.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.configs.exploration import EmbedConfig
from kdcore.configs.selection import All, HasVerdict, Not
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.configs.uploads import SeedKind
from kdcore.filters import USUAL
from kdcore.resources import SEEDS
from kdcore.services import models, projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import runs as training_runs
from kdcore.services.elicit import imports
from kdcore.services.evaluate import comparison, quality
from kdcore.services.explore import maps
from kdcore.services.explore import samples as explore_samples
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workflow import Workflow
from kdcore.services.workspace import App

PLAN = "main_job.json"
SEED_FILES: tuple[tuple[str, SeedKind], ...] = (
    ("medical_questions", "question"),
    ("legal_questions", "question"),
    ("passages", "document"),
)
SAMPLE_TEMPLATE = PromptTemplate(
    system="You are a careful {{domain}} tutor. Answer in two short sentences for a {{reader}}.",
    examples=(
        Example(
            user="Why does a wound need to be kept clean?",
            assistant="A clean wound heals faster because fewer germs can grow in it. "
            "Dirt can carry bacteria that cause an infection.",
        ),
        Example(
            user="What is a witness?",
            assistant="A witness is a person who saw or heard something that matters to a case. "
            "In court, a witness tells the judge what they know.",
        ),
    ),
)


@dataclass(slots=True)
class Plan:
    """What to do and how far it is. ``stages`` maps a finished or running stage to its run (or version)."""

    project_id: str
    rows: int
    teacher: dict[str, Any]
    sampling: dict[str, Any]
    epochs: float = 3.0
    batch_size: int = 8
    eval_items: int = 24
    stages: dict[str, str] = field(default_factory=dict[str, str])
    state: str = "running"
    message: str = ""
    started: float = 0.0
    ended: float = 0.0


def create(app: App, rows: int, **how: Any) -> Plan:
    """Make the sample project and a plan for it; the first ``advance`` starts it."""
    existing = next((p for p in projects.list_projects(app) if p["name"] == projects.SAMPLE_PROJECT), None)
    project_id = existing["project_id"] if existing else projects.create_project(app, projects.SAMPLE_PROJECT)
    teacher = how.pop("teacher", models.default_teacher())
    sampling = how.pop("sampling", SamplingConfig(max_tokens=256, temperature=0.5))
    plan = Plan(project_id, rows, teacher.model_dump(), sampling.model_dump(), started=time.time(), **how)
    with WORKFLOW.lock:
        WORKFLOW.save(path_of(app), plan)
    return plan


def path_of(app: App) -> Path:
    """The file of the workspace's plan."""
    return app.folders.root / PLAN


def load(app: App) -> Plan | None:
    """The plan of this workspace, if there is one."""
    return WORKFLOW.load(path_of(app)) if path_of(app).exists() else None


def advance(app: App) -> Plan | None:
    """Start the next stage when the last one is done; never blocks. Errors end the plan with a message."""
    WORKFLOW.advance(app)
    return load(app)


def go_on(app: App) -> Plan | None:
    """Take a failed or stopped plan up again."""
    return WORKFLOW.go_on(app, path_of(app))


def wait(app: App, on_poll: Callable[[Plan], None] | None = None) -> Plan:
    """Block until the job has ended (for the command line)."""
    return WORKFLOW.wait(app, path_of(app), on_poll=on_poll)


def _step(app: App, plan: Plan) -> None:
    """Begin the first stage that has not begun; with none left the job is done."""
    for name, start in STAGES.items():
        if name not in plan.stages:
            plan.stages[name] = start(app, plan)
            return
    plan.state, plan.ended = "done", time.time()


def _seeds(app: App, plan: Plan) -> str:
    started: list[str] = []
    for file, kind in SEED_FILES:
        path = SEEDS / f"{file}.jsonl"
        mapping = {"text": "question" if kind == "question" else "text", "topic": "topic", "group": "topic"}
        if kind == "question":
            mapping |= {"difficulty": "difficulty", "reader": "reader"}
        started.append(imports.read_file(app, plan.project_id, path, path.name, kind, mapping).run_id)
    return ",".join(started)


def _prompt(app: App, plan: Plan) -> str:
    note = "two worked examples keep a small teacher brief"
    return projects.save_prompt_version(app, plan.project_id, "Short answers", SAMPLE_TEMPLATE, note)


def _generate(app: App, plan: Plan) -> str:
    teacher, sampling = (
        TeacherConfig.model_validate(plan.teacher),
        SamplingConfig.model_validate(plan.sampling),
    )
    return generation_runs.start_run(
        app, plan.project_id, plan.stages["prompt"], teacher, sampling, rows=plan.rows
    ).run_id


def _embed(app: App, plan: Plan) -> str:
    return maps.start_map(app, plan.project_id, EmbedConfig()).run_id


def _screen(app: App, plan: Plan) -> str:
    return explore_samples.start_screen(app, plan.project_id, list(USUAL)).run_id


def _freeze(app: App, plan: Plan) -> str:
    passed = All(parts=tuple(Not(part=HasVerdict(filter=name, passed=False)) for name in USUAL))
    return dataset_versions.freeze(app, plan.project_id, "Checked answers", passed, heldout_share=0.2)["dataset_id"]


def _distill(app: App, plan: Plan) -> str:
    config = DistillConfig(
        name="First student",
        slices=(SliceConfig(dataset_id=plan.stages["freeze"], loss="forward_kl"),),
        student=StudentConfig(init="model", model=plan.teacher["model"]),
        prompt="question",
        learning_rate=5e-5,
        epochs=plan.epochs,
        batch_size=plan.batch_size,
    )
    return training_runs.start_run(app, plan.project_id, config).run_id


def _evaluate(app: App, plan: Plan) -> str:
    return comparison.start_run(app, plan.stages["distill"], max_items=plan.eval_items, max_new_tokens=96).run_id


STAGES: dict[str, Callable[[App, Plan], str]] = {
    "seeds": _seeds,
    "prompt": _prompt,
    "generate": _generate,
    "embed": _embed,
    "screen": _screen,
    "freeze": _freeze,
    "distill": _distill,
    "evaluate": _evaluate,
}


WORKFLOW: Workflow[Plan] = Workflow(
    "the main job",
    lambda app: [path_of(app)] if path_of(app).exists() else [],
    lambda data: Plan(**data),
    asdict,
    _step,
    lambda plan: (list(plan.stages.values()) or [""])[-1].split(","),  # a stage may have several runs
)


def report(app: App, plan: Plan) -> dict[str, Any]:
    """The figures of a finished main job, in the shape of ``kd demo --json``."""
    stages = plan.stages
    progress = app.run_dir(stages["generate"]).status().progress
    funnel = generation_runs.funnel(app, stages["generate"])
    frozen = next(
        d for d in dataset_versions.list_datasets(app, plan.project_id) if d["dataset_id"] == stages["freeze"]
    )
    points = training_runs.curves(app, [stages["distill"]])
    loss = [p["value"] for p in points if p["split"] == "train" and p["name"] == "loss"]
    held = [p["value"] for p in points if p["split"] == "heldout" and p["name"] == "forward_kl"]
    tail = max(1, len(loss) // 5)
    return {
        "samples": {
            "requested": funnel["requested"],
            "answered": funnel["answered"],
            "parsed": funnel["by_status"].get("parsed", 0),
            "kept": frozen["row_count"],
        },
        "teacher": {
            "engine": plan.teacher["engine"],
            "model": plan.teacher["model"],
            "tokens_per_s": progress.get("tokens_per_s", 0.0),
        },
        "embed": {
            "model": app.run_dir(stages["embed"]).config()["model"],
            "dim": app.run_dir(stages["embed"]).status().progress.get("dim"),
            "clusters": len(maps.groups(app, stages["embed"])),
        },
        "dataset": {
            "version": f"{frozen['name']} v{frozen['version']}",
            "rows": frozen["row_count"],
            "sha256": frozen["sha256"],
        },
        "distill": {
            "steps": len(loss),
            "loss_first": sum(loss[:tail]) / tail,
            "loss_last": sum(loss[-tail:]) / tail,
            "eval_first": held[0] if held else None,
            "eval_last": held[-1] if held else None,
        },
        "evaluate": {
            role: {name: value["mean"] for name, value in measures.items()}
            for role, measures in comparison.summary(app, stages["evaluate"]).items()
        },
        "student": quality.of_comparison(app, stages["evaluate"]),
        "seconds": round(plan.ended - plan.started, 1),
    }
