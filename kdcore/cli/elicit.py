"""``kd import`` and ``kd elicit``: seeds in, prompts tried and saved."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from kdcore.cli.shared import ENGINES, Arguments, Command, Parser, json_object, open_workspace, project_id
from kdcore.configs.base import load_config
from kdcore.configs.teacher import SamplingConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.elicitation.recipes import RECIPES
from kdcore.errors import ConfigError
from kdcore.services import models, projects
from kdcore.services.elicit import trial
from kdcore.services.workspace import App


def import_seeds(arguments: Arguments) -> object:
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


def _import_options(parser: Parser) -> None:
    parser.add_argument("file")
    parser.add_argument("--project", required=True, help="name of the project; made if it is new")
    parser.add_argument("--kind", choices=("question", "document"), default="question")
    parser.add_argument("--map", action="append", default=[], metavar="ROLE=COLUMN", help="text=…, topic=…, group=…")


def _finish_reading(app: App, run_id: str) -> None:
    status = app.wait(run_id, timeout_s=300)
    if status.state != "done":
        raise ConfigError(status.message)


def _preview(app: App, run_id: str) -> dict[str, Any]:
    return json.loads((app.run_dir(run_id).path / "preview.json").read_bytes())


def elicit(arguments: Arguments) -> object:
    """``kd elicit``: render, try or save a method's or a recipe's template."""
    start = RECIPES[arguments.method].template if arguments.method in RECIPES else None
    template = start or find_method(METHODS, arguments.method).template
    changes: dict[str, Any] = {
        key: getattr(arguments, key) for key in ("system", "user") if getattr(arguments, key) is not None
    }
    if arguments.config:
        changes["method_config"] = template.method_config | json_object(arguments.config, "--config")
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


def _elicit_options(parser: Parser) -> None:
    parser.add_argument("method", help="name of a method or of a recipe")
    parser.add_argument("--project", required=True)
    parser.add_argument("--system")
    parser.add_argument("--user")
    parser.add_argument("--preview", type=int, default=0, metavar="N", help="ask the teacher N rows")
    parser.add_argument("--config", metavar="JSON", help="settings of the method, as a JSON object")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--max-tokens", type=int, default=256)
    parser.add_argument("--save", metavar="NAME", help="keep the template as a prompt version")


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


COMMANDS = (
    Command("import", "import seed questions or documents from a file", import_seeds, _import_options),
    Command("elicit", "show or try the requests of a method or a recipe", elicit, _elicit_options),
)
