"""The commands of ``kd``, one function each: arguments in, a JSON-able result out."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdcore.configs.base import load_config
from kdcore.configs.distillation import DistillConfig
from kdcore.configs.exploration import EmbedConfig
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.errors import ConfigError, JobError
from kdcore.filters import FILTERS
from kdcore.services import (
    app as app_service,
)
from kdcore.services import (
    datasets,
    distillation,
    evaluation,
    exploration,
    generation,
    main_job,
    models,
    projects,
)
from kdcore.services import (
    review as review_service,
)
from kdcore.services.app import App
from kdcore.settings import workspace

Arguments = argparse.Namespace
MOST_DEMO_ROWS = 120


@contextmanager
def _open(arguments: Arguments) -> Iterator[App]:
    app = app_service.open_app(arguments.workspace)
    try:
        yield app
    finally:
        app.close()


def _project(app: App, name: str | None, *, create: bool = False) -> str:
    known = projects.list_projects(app)
    for project in known:
        if name in (project["name"], project["project_id"]):
            return project["project_id"]
    if create and name:
        return projects.create_project(app, name)
    names = ", ".join(f'"{p["name"]}"' for p in known) or "none yet"
    raise ConfigError(f'there is no project "{name}"; known: {names}.')


def _finish(app: App, run_id: str) -> dict[str, Any]:
    """Wait for a run with its progress on stderr; raises JobError unless it is done."""
    last = [""]

    def show(status: Any) -> None:
        p = status.progress
        line = f"{run_id}: {status.message} {p.get('done', '')}/{p.get('total', '')} {p.get('unit', '')}".strip()
        if line != last[0]:
            print(line, file=sys.stderr, flush=True)
            last[0] = line

    status = app.wait(run_id, timeout_s=24 * 3600, on_poll=show)
    if status.state != "done":
        raise JobError(f"run {run_id} {status.state}: {status.message}")
    return {"run_id": run_id, "state": status.state, "progress": status.progress}


def doctor(arguments: Arguments) -> dict[str, Any]:
    """``kd doctor``."""
    return models.doctor(workspace(arguments.workspace))


def demo(arguments: Arguments) -> dict[str, Any]:
    """``kd demo``: the main job to its end."""
    if not 4 <= arguments.rows <= MOST_DEMO_ROWS:
        raise ConfigError(
            f"--rows is {arguments.rows}; expected 4 to {MOST_DEMO_ROWS} (the sample has 120 questions)."
        )
    teacher = models.default_teacher()
    if arguments.engine:
        teacher = teacher.model_copy(update={"engine": arguments.engine})
    with _open(arguments) as app:
        plan = main_job.create(app, rows=arguments.rows, teacher=teacher, epochs=4.0, batch_size=4, eval_items=8)
        seen = ""
        while plan.state == "running":
            app.tick()
            plan = main_job.advance(app) or plan
            stage = list(plan.stages)[-1] if plan.stages else ""
            if stage != seen:
                print(f"{time.strftime('%H:%M:%S')} {stage}", file=sys.stderr, flush=True)
                seen = stage
            time.sleep(0.25)
        if plan.state != "done":
            raise JobError(plan.message)
        return main_job.report(app, plan)


def ui(arguments: Arguments) -> None:
    """``kd ui``: start the app on the first free port."""
    from kdcore.ui.launch import launch

    launch(workspace(arguments.workspace), arguments.port, sample=arguments.sample)


def import_seeds(arguments: Arguments) -> dict[str, Any]:
    """``kd import``: look at the file, map its columns, import."""
    mapping = {}
    for pair in arguments.map:
        role, separator, column = pair.partition("=")
        if not separator:
            raise ConfigError(f'--map "{pair}" is not ROLE=COLUMN.')
        mapping[role] = column
    path = Path(arguments.file)
    with _open(arguments) as app:
        project = _project(app, arguments.project, create=True)
        look = projects.read_file(app, project, path, path.name, arguments.kind)
        _finish_reading(app, look.run_id)
        columns = _preview(app, look.run_id)["columns"]
        chosen = projects.guess_mapping(columns, arguments.kind) | mapping
        run = projects.read_file(app, project, path, path.name, arguments.kind, chosen)
        _finish_reading(app, run.run_id)
        preview = _preview(app, run.run_id)
    return {
        "project_id": project,
        "run_id": run.run_id,
        "mapping": chosen,
        "imported": preview["imported"],
        "rejected": preview["rejected"],
    }


def _finish_reading(app: App, run_id: str) -> None:
    status = app.wait(run_id, timeout_s=300)
    if status.state != "done":
        raise ConfigError(status.message)


def _preview(app: App, run_id: str) -> dict[str, Any]:
    import json

    return json.loads((app.run_dir(run_id).path / "preview.json").read_bytes())


def elicit(arguments: Arguments) -> dict[str, Any]:
    """``kd elicit``: render, try or save a method's template."""
    method = find_method(METHODS, arguments.method)
    changes = {key: getattr(arguments, key) for key in ("system", "user") if getattr(arguments, key) is not None}
    template = method.template.model_copy(update=changes)
    with _open(arguments) as app:
        project = _project(app, arguments.project)
        result: dict[str, Any] = {"method": method.name, "template": template.model_dump(mode="json")}
        result["requests"] = [
            r.messages for r in generation.render(app, project, template, max(1, arguments.preview))
        ]
        if arguments.save:
            result["prompt_version_id"] = projects.save_prompt_version(app, project, arguments.save, template)
        if arguments.preview:
            result["replies"] = _ask(app, project, template, arguments.preview)
    return result


def _ask(app: App, project: str, template: Any, rows: int) -> list[dict[str, Any]]:
    run_id, key, requests = generation.start_preview(
        app, project, template, models.default_teacher(), SamplingConfig(), rows
    )
    try:
        while (answers := generation.preview_answer(app, run_id, key, template, requests)) is None:
            time.sleep(0.2)
    finally:
        app.stop(run_id)
        app.wait(run_id, timeout_s=60)
    return [
        {
            "text": a["reply"].text,
            "status": a["parsed"].status,
            "answer": a["parsed"].answer,
            "reason": a["parsed"].reason,
        }
        for a in answers
    ]


def generate(arguments: Arguments) -> dict[str, Any]:
    """``kd generate``."""
    with _open(arguments) as app:
        if arguments.resume:
            run = generation.resume(app, arguments.resume)
        else:
            project = _project(app, arguments.project)
            versions = projects.prompt_versions(app, project)
            version = arguments.prompt or (versions[0]["prompt_version_id"] if versions else None)
            if version is None:
                raise ConfigError("the project has no prompt version; save one with kd elicit … --save NAME.")
            teacher = models.default_teacher().model_dump()
            for key, value in (
                ("engine", arguments.engine),
                ("model", arguments.model),
                ("base_url", arguments.base_url),
            ):
                if value:
                    teacher[key] = value
            sampling = {
                "max_tokens": arguments.max_tokens,
                "temperature": arguments.temperature,
                "n": arguments.n,
            }
            run = generation.start_run(
                app,
                project,
                version,
                load_config(TeacherConfig, teacher),
                load_config(SamplingConfig, sampling),
                rows=arguments.rows,
            )
        return _finish(app, run.run_id) | {"funnel": generation.funnel(app, run.run_id)}


def embed(arguments: Arguments) -> dict[str, Any]:
    """``kd embed``."""
    with _open(arguments) as app:
        run = exploration.start_map(app, _project(app, arguments.project), EmbedConfig())
        return _finish(app, run.run_id) | {"clusters": exploration.clusters(app, run.run_id)}


def screen(arguments: Arguments) -> dict[str, Any]:
    """``kd screen``."""
    names = arguments.filters.split(",") if arguments.filters else list(FILTERS)
    with _open(arguments) as app:
        project = _project(app, arguments.project)
        run = exploration.start_screen(app, project, names)
        return _finish(app, run.run_id) | {"checks": exploration.checks(app, project)}


def review(arguments: Arguments) -> dict[str, Any]:
    """``kd review``."""
    with _open(arguments) as app:
        event = review_service.decide(
            app, arguments.sample, arguments.action, arguments.reviewer, answer=arguments.answer
        )
    return {"event_id": event, "sample_id": arguments.sample, "action": arguments.action}


def dataset(arguments: Arguments) -> dict[str, Any]:
    """``kd dataset``."""
    with _open(arguments) as app:
        project = _project(app, arguments.project)
        if arguments.freeze:
            return datasets.freeze(app, project, arguments.freeze, heldout_share=arguments.heldout)
        return {"datasets": datasets.list_datasets(app, project)}


def export(arguments: Arguments) -> dict[str, Any]:
    """``kd export``."""
    with _open(arguments) as app:
        files = datasets.export(app, arguments.dataset, arguments.format, Path(arguments.out))
    return {"dataset_id": arguments.dataset, "format": arguments.format, "files": [str(f) for f in files]}


def distill(arguments: Arguments) -> dict[str, Any]:
    """``kd distill``."""
    with _open(arguments) as app:
        if arguments.resume:
            run = app.launch(app.run_dir(arguments.resume))
        else:
            project = _project(app, arguments.project)
            versions = datasets.list_datasets(app, project)
            chosen = arguments.dataset or (versions[0]["dataset_id"] if versions else None)
            if chosen is None:
                raise ConfigError("the project has no dataset version; freeze one with kd dataset … --freeze NAME.")
            student = (
                {"init": "model", "model": arguments.student} if arguments.student else {"init": "teacher_layers"}
            )
            config = load_config(
                DistillConfig,
                {
                    "slices": [{"dataset_id": chosen, "loss": arguments.loss}],
                    "student": student | {"keep_layers": arguments.keep_layers, "adapter": arguments.adapter},
                    "epochs": arguments.epochs,
                    "seed": arguments.seed,
                },
            )
            run = distillation.start_run(app, project, config)
        result = _finish(app, run.run_id)
        points = [p for p in distillation.curves(app, [run.run_id]) if p["split"] == "heldout"]
        return result | {"heldout": {p["name"]: p["value"] for p in points}}


def evaluate(arguments: Arguments) -> dict[str, Any]:
    """``kd evaluate``."""
    with _open(arguments) as app:
        run = evaluation.start_run(app, arguments.run, max_items=arguments.items)
        return _finish(app, run.run_id) | {"summary": evaluation.summary(app, run.run_id)}


def rebuild(arguments: Arguments) -> dict[str, Any]:
    """``kd rebuild``."""
    return app_service.rebuild(arguments.workspace)
