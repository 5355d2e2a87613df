"""Rounds of self-knowledge as one object: asked, frozen, trained, watched, and ended before the student collapses.

A loop is a small file under ``rounds/`` that names ordinary runs and versions, so nothing is lost when the app stops;
``advance`` starts what is next and never blocks.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

from kdcore import ids
from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.configs.losses import LOSSES
from kdcore.configs.rounds import RoundsConfig
from kdcore.configs.selection import All, ColumnIs, HasVerdict, Not, Selection
from kdcore.configs.teacher import TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.filters import FILTERS
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import runs as training_runs
from kdcore.services.explore import samples as explore_samples
from kdcore.services.generate import runs as generation_runs
from kdcore.services.generate import views as run_views
from kdcore.services.generate.views import Monitor
from kdcore.services.workflow import Workflow
from kdcore.services.workspace import App
from kdcore.settings import is_file_name
from kdcore.store import metrics


@dataclass
class Round:
    """One round: the runs that made it, and what they came to. Ids are "" until the step has begun."""

    number: int
    model: str  # who was asked
    generate: str = ""
    screen: str = ""
    dataset: str = ""
    train: str = ""
    figures: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass
class Loop:
    """A loop and how far it is. ``state`` is running, done, stopped or failed, with the reason in ``message``."""

    loop_id: str
    config: RoundsConfig
    rounds: list[Round] = field(default_factory=list[Round])
    state: str = "running"
    message: str = ""
    started: float = 0.0

    @property
    def active_run(self) -> str:
        """The run that the loop waits for; "" where it waits for none."""
        last = self.rounds[-1] if self.rounds else None
        return (last.train or last.screen or last.generate) if last else ""


def start(app: App, project_id: str, config: RoundsConfig) -> Loop:
    """Begin a loop; raises ConfigError for a method that makes nothing to learn from, or an unknown check."""
    config = config.model_copy(update={"project_id": project_id})
    method = projects.template_of(app, project_id, config.prompt_version_id).method
    usual = usual_loss(method)
    if not usual:
        able = [name for name, known in METHODS.items() if known.usual_loss]
        raise ConfigError(
            f'rounds need a method by which a student makes its own data, "{method}" asks a teacher; '
            f"save a prompt version of one of: {', '.join(able)}."
        )
    pairs = LOSSES[usual].ranks
    if pairs != LOSSES[config.loss].ranks:
        raise ConfigError(f'"{method}" makes {"pairs" if pairs else "texts"}; learn them by {usual}.')
    if unknown := [name for name in config.checks if name not in FILTERS]:
        raise ConfigError(f'unknown check "{unknown[0]}"; known: {", ".join(FILTERS)}.')
    loop = Loop(ids.new_run_id("rounds"), config, started=time.time())
    WORKFLOW.save(_path(app, loop.loop_id), loop)
    advance(app)
    return load(app, loop.loop_id)


def usual_loss(method: str) -> str:
    """The loss that learns from what a student makes by a method; "" for a method that asks a teacher."""
    return METHODS[method].usual_loss if method in METHODS else ""


def load(app: App, loop_id: str) -> Loop:
    """One loop; raises ConfigError for an id that isn't there."""
    path = _path(app, loop_id)
    if not is_file_name(loop_id) or not path.exists():
        raise ConfigError(f'there are no rounds "{loop_id}" in this workspace.')
    return WORKFLOW.load(path)


def list_loops(app: App, project_id: str) -> list[Loop]:
    """The loops of a project, newest first; one whose file can't be read is said on every page and left out here."""
    found: list[Loop] = []
    for path in sorted(_folder(app).glob("*.json"), reverse=True):
        with suppress(ConfigError):
            found.append(WORKFLOW.load(path))
    return [loop for loop in found if loop.config.project_id == project_id]


def stop(app: App, loop_id: str) -> None:
    """End a loop after what is under way has been stopped; what it made stays."""
    WORKFLOW.stop(app, _path(app, loop_id))


def go_on(app: App, loop_id: str) -> None:
    """Take a stopped or failed loop up again: its unfinished run is resumed, a step that never began begins."""
    load(app, loop_id)
    WORKFLOW.go_on(app, _path(app, loop_id))


def wait(app: App, loop_id: str) -> Loop:
    """Block until a loop has ended (for the command line)."""
    return WORKFLOW.wait(app, _path(app, loop_id))


def advance(app: App) -> None:
    """Go one step further with every running loop whose last run is done. Errors end a loop with a message."""
    WORKFLOW.advance(app)


def _step(app: App, loop: Loop) -> None:
    """Begin what comes after the step that has just ended."""
    config = loop.config
    last = loop.rounds[-1] if loop.rounds else None
    if last is None or last.train:
        if last is not None:
            _look_at(app, loop, last)
            if loop.state != "running":
                return
        model = last.train if last is not None else config.start
        loop.rounds.append(Round(len(loop.rounds) + 1, model))
        loop.rounds[-1].generate = _ask(app, config, model)
    elif config.checks and not last.screen:
        last.screen = explore_samples.start_screen(app, config.project_id, list(config.checks)).run_id
    else:
        _freeze_and_train(app, loop, last)


def _ask(app: App, config: RoundsConfig, model: str) -> str:
    teacher = load_config(TeacherConfig, {"engine": config.engine, "model": model})
    sampling = config.sampling
    return generation_runs.start_run(
        app, config.project_id, config.prompt_version_id, teacher, sampling, rows=config.rows
    ).run_id


def _freeze_and_train(app: App, loop: Loop, current: Round) -> None:
    """Freeze what passed; the groups that round 1 held out stay held out, so that no round has seen them."""
    config = loop.config
    chosen = _passed(config, current.generate)
    current.figures = {**run_views.monitor(app, current.generate)}
    current.figures["usable"] = explore_samples.candidates_count(app, config.project_id, chosen)
    if current.figures["usable"] < config.min_rows:
        loop.state = "done"
        lost = generation_runs.funnel(app, current.generate)["by_status"]
        why = ", ".join(f"{count} {status}" for status, count in sorted(lost.items()) if status != "parsed")
        loop.message = (
            f"round {current.number} made {current.figures['usable']} usable rows{f' ({why})' if why else ''}, "
            f"{config.min_rows} are needed"
        )
        return
    if current.number > 1:
        current.figures["alarm"] = run_views.alarm(
            cast("Monitor", loop.rounds[0].figures), cast("Monitor", current.figures)
        )
        if current.figures["alarm"] and config.stop_on_collapse:
            loop.state, loop.message = "done", f"ended in round {current.number}: {current.figures['alarm']}"
            return
    name = f"{config.name}, round {current.number}"
    if not current.dataset:  # there already where the training could not begin
        held = dataset_versions.held_groups(app, loop.rounds[0].dataset) if current.number > 1 else None
        frozen = dataset_versions.freeze(
            app, config.project_id, name, chosen, config.heldout_share, config.seed, held=held
        )
        current.dataset = frozen["dataset_id"]
        WORKFLOW.save(_path(app, loop.loop_id), loop)
    student = current.model if config.begin == "last" else config.start
    recipe = {
        "name": name,
        "slices": [{"dataset_id": current.dataset, "loss": config.loss}],
        "student": {"init": "model", "model": student, "adapter": config.adapter},
        "anchor": config.start,
        **{
            field: getattr(config, field)
            for field in ("epochs", "batch_size", "learning_rate", "seed", "general_rows", "shown_answers")
        },
    }
    current.train = training_runs.start_run(app, config.project_id, load_config(DistillConfig, recipe)).run_id


def _passed(config: RoundsConfig, run_id: str) -> Selection:
    """The usable rows of one run that failed no check."""
    wanted: tuple[Selection, ...] = tuple(Not(part=HasVerdict(filter=name, passed=False)) for name in config.checks)
    return All(parts=(ColumnIs(column="run_id", values=(run_id,)), *wanted))


def _look_at(app: App, loop: Loop, ended: Round) -> None:
    """What a round came to; ends the loop at its last round, or where too much is forgotten."""
    config = loop.config
    points = [p for p in metrics.curves(app.store, [ended.train]) if p["split"] == "general"]
    general = [p["value"] for p in points if p["name"] == "sequence_level_kd"]
    apart = [p["value"] for p in points if p["name"] == "reverse_kl"]  # KL(student ‖ start): its anchor is the start
    ended.figures |= {"general_before": general[0], "general_after": general[-1]} if general else {}
    ended.figures |= {"kl_to_start": apart[-1]} if apart else {}
    ended.figures["heldout"] = training_runs.last_heldout(app, ended.train)
    first = loop.rounds[0].figures.get("general_before")
    if first is not None and general and general[-1] - first > config.max_forgetting:
        loop.state = "done"
        loop.message = (
            f"ended in round {ended.number}: general questions cost {general[-1] - first:.2f} nats a token more "
            f"than before round 1, {config.max_forgetting:g} are allowed"
        )
    elif apart and 0 < config.max_kl_to_start < apart[-1]:
        loop.state = "done"
        loop.message = (
            f"ended in round {ended.number}: the student is {apart[-1]:.2f} nats a token from where round 1 began, "
            f"{config.max_kl_to_start:g} are allowed"
        )
    elif ended.number == config.rounds:
        loop.state, loop.message = "done", f"all {config.rounds} rounds"


def _folder(app: App) -> Path:
    return app.folders.root / "rounds"


def _path(app: App, loop_id: str) -> Path:
    return _folder(app) / f"{Path(loop_id).name}.json"


def _decode(data: dict[str, Any]) -> Loop:
    config = load_config(RoundsConfig, data.pop("config"))
    return Loop(config=config, rounds=[Round(**each) for each in data.pop("rounds")], **data)


WORKFLOW: Workflow[Loop] = Workflow(
    "rounds",
    lambda app: sorted(_folder(app).glob("*.json")),
    _decode,
    lambda loop: asdict(loop) | {"config": loop.config.model_dump(mode="json")},
    _step,
    lambda loop: [loop.active_run],
)
