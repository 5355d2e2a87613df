"""The commands of ``kd`` that bring rows in: import, elicit, generate."""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any

from kdcore.cli.shared import finish, open_workspace, project_id
from kdcore.configs.base import load_config
from kdcore.configs.elicitation import BudgetConfig, TargetConfig
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.elicitation.recipes import RECIPES
from kdcore.errors import ConfigError
from kdcore.services import models, projects
from kdcore.services.elicit import trial
from kdcore.services.generate import routing
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App

Arguments = argparse.Namespace


def import_seeds(arguments: Arguments) -> dict[str, Any]:
    """``kd import``: look at the file, map its columns, import."""
    mapping = {}
    for pair in arguments.map:
        role, separator, column = pair.partition("=")
        if not separator:
            raise ConfigError(f'--map "{pair}" is not ROLE=COLUMN.')
        mapping[role] = column
    path = Path(arguments.file)
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project, create=True)
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
    return json.loads((app.run_dir(run_id).path / "preview.json").read_bytes())


def elicit(arguments: Arguments) -> dict[str, Any]:
    """``kd elicit``: render, try or save a method's or a recipe's template."""
    start = RECIPES[arguments.method].template if arguments.method in RECIPES else None
    template = start or find_method(METHODS, arguments.method).template
    changes: dict[str, Any] = {
        key: getattr(arguments, key) for key in ("system", "user") if getattr(arguments, key) is not None
    }
    if arguments.config:
        changes["method_config"] = template.method_config | _json_object(arguments.config, "--config")
    template = template.model_copy(update=changes)
    load_config(METHODS[template.method].config, template.method_config)
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        requests = trial.requests_for(app, project, template, max(1, arguments.preview))
        result: dict[str, Any] = {"method": template.method, "template": template.model_dump(mode="json")}
        result["requests"] = [trial.first_calls(template, request) for request in requests]
        if arguments.save:
            result["prompt_version_id"] = projects.save_prompt_version(app, project, arguments.save, template)
        if arguments.preview:
            result["replies"] = _ask(app, project, template, arguments)
    return result


def _json_object(text: str, option: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise ConfigError(f'{option} is not JSON ({exc}); expected an object such as {{"rounds": 2}}.') from exc
    if not isinstance(value, dict):
        raise ConfigError(f'{option} is JSON but no object; expected one such as {{"rounds": 2}}.')
    return value


def _ask(app: App, project: str, template: Any, arguments: Arguments) -> list[dict[str, Any]]:
    teacher = models.default_teacher()
    if arguments.engine:
        teacher = teacher.model_copy(update={"engine": arguments.engine})
    sampling = SamplingConfig(max_tokens=arguments.max_tokens)
    run_id, key, requests = trial.start(app, project, template, teacher, sampling, arguments.preview)
    try:
        while (answers := trial.answer(app, run_id, key, template, teacher, sampling, requests)) is None:
            time.sleep(0.2)
    finally:
        app.stop(run_id)
        app.wait(run_id, timeout_s=60)
    return [
        {
            "seed_id": a["request"].seed_id,
            "calls": len(a["calls"]),
            "rows": [
                {key: row[key] for key in ("status", "question", "answer", "rationale", "reason", "extra")}
                for row in a["rows"]
            ],
        }
        for a in answers
    ]


def _raised(arguments: Arguments) -> BudgetConfig | None:
    given = {
        "tokens": arguments.budget_tokens,
        "seconds": arguments.budget_seconds,
        "money": arguments.budget_money,
    }
    return load_config(BudgetConfig, given) if any(given.values()) else None


def _route(app: App, arguments: Arguments) -> dict[str, Any]:
    """``kd generate --route``: each part of the questions to the run that did best in it."""
    project = project_id(app, arguments.project)
    found = routing.compare(app, project, arguments.route.split(","), arguments.by, arguments.goes_by)
    chosen = {entry["part"]: entry["best"] for entry in found}
    started = routing.start(app, project, chosen, arguments.by, _raised(arguments))
    return {"parts": found, "runs": [finish(app, run.run_id) for run in started]}


def generate(arguments: Arguments) -> dict[str, Any]:
    """``kd generate``."""
    with open_workspace(arguments) as app:
        if arguments.resume:
            run = generation_runs.resume(app, arguments.resume, _raised(arguments))
        elif arguments.route:
            return _route(app, arguments)
        else:
            project = project_id(app, arguments.project)
            versions = projects.prompt_versions(app, project)
            version = arguments.prompt or (versions[0]["prompt_version_id"] if versions else None)
            if version is None:
                raise ConfigError("the project has no prompt version; save one with kd elicit … --save NAME.")
            teacher = models.default_teacher().model_dump()
            for key, value in (
                ("engine", arguments.engine),
                ("model", arguments.model),
                ("base_url", arguments.base_url),
                ("api_key_env", arguments.api_key_env),
            ):
                if value:
                    teacher[key] = value
            sampling = {
                "max_tokens": arguments.max_tokens,
                "temperature": arguments.temperature,
                "n": arguments.n,
            }
            run = generation_runs.start_run(
                app,
                project,
                version,
                load_config(TeacherConfig, teacher),
                load_config(SamplingConfig, sampling),
                rows=arguments.rows,
                target=load_config(
                    TargetConfig,
                    {
                        "rows": arguments.exactly,
                        "checks": arguments.checks.split(",") if arguments.checks else [],
                        "per_topic": arguments.per_topic,
                        "max_similarity": arguments.max_similarity,
                    },
                ),
                budget=load_config(
                    BudgetConfig,
                    {
                        "tokens": arguments.budget_tokens,
                        "seconds": arguments.budget_seconds,
                        "money": arguments.budget_money,
                    },
                ),
            )
        return finish(app, run.run_id) | {"funnel": generation_runs.funnel(app, run.run_id)}
