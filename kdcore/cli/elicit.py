"""``kd import`` and ``kd elicit``: seeds in, prompts tried and saved."""

from __future__ import annotations

import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from kdcore.cli.shared import (
    ENGINES,
    Arguments,
    Command,
    Parser,
    chosen,
    json_object,
    open_workspace,
    project_id,
    whole,
)
from kdcore.configs.base import load_config
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.configs.uploads import ROLES, ReadingConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.elicitation.recipes import RECIPES
from kdcore.errors import ConfigError, DataError
from kdcore.services import models, projects
from kdcore.services.elicit import imports, programs, trial
from kdcore.services.workspace import App, open_app


def import_files(arguments: Arguments) -> object:
    """``kd import``: read files, and store what they hold; with ``--preview`` only look."""
    mapping = _mapping(arguments.map)
    reading = load_config(
        ReadingConfig, {name: value for name, value in _reading(arguments).items() if value is not None}
    )
    files = imports.expand([Path(each) for each in arguments.file])
    how: dict[str, Any] = {"seed_kind": arguments.kind, "mapping": mapping, "reading": reading}
    if arguments.preview:
        with tempfile.TemporaryDirectory() as scratch, closing(open_app(scratch)) as app:
            run = imports.read_files(app, "preview", files, **how, shown=arguments.preview)
            found = _finished(app, run.run_id)
        return {"files": found["files"], "seeds": found["seeds"][: arguments.preview]}
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project, create=True)
        run = imports.read_files(app, project, files, **how, store=True, teacher=arguments.teacher)
        found = _finished(app, run.run_id)
    return {
        "project_id": project,
        "run_id": run.run_id,
        "mapping": found["files"][0]["mapping"],
        "imported": found["imported"],
        "rejected": found["rejected"],
        "files": found["files"],
        "seeds": found["seeds"],
    }


def _mapping(pairs: list[str]) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in pairs:
        role, separator, column = pair.partition("=")
        if not separator:
            raise ConfigError(f'--map "{pair}" is not ROLE=COLUMN.')
        if role not in ROLES:
            raise ConfigError(f'--map "{pair}": there is no role "{role}"; known: {", ".join(ROLES)}.')
        mapping[role] = column
    return mapping


def _reading(arguments: Arguments) -> dict[str, Any]:
    return {name: getattr(arguments, name) for name in ReadingConfig.model_fields}


def _import_options(parser: Parser) -> None:
    parser.add_argument("file", nargs="+", help="files, folders or ZIP archives")
    parser.add_argument("--project", help="name of the project; made if it is new")
    parser.add_argument(
        "--kind",
        choices=("question", "document", "answered"),
        default="question",
        help="questions to ask, documents to cut into passages, or questions with answers that are there already",
    )
    parser.add_argument("--map", action="append", default=[], metavar="ROLE=COLUMN", help="text=…, answer=…, topic=…")
    parser.add_argument(
        "--preview", type=whole(), default=0, metavar="N", help="store nothing, show the first N rows"
    )
    parser.add_argument("--teacher", default="", help="the model that wrote the answers; none: people did")
    parser.add_argument("--encoding", help="such as cp1252; found out unless given")
    parser.add_argument("--delimiter", help="what parts the columns: , ; | or tab")
    parser.add_argument("--header-row", type=whole(), dest="header_row", help="row of the column names; 0 for none")
    parser.add_argument("--sheet", help="sheet of a spreadsheet")
    parser.add_argument(
        "--passage-tokens", type=whole(1), dest="passage_tokens", help="longest passage of a document"
    )
    parser.add_argument(
        "--overlap-tokens", type=whole(), dest="overlap_tokens", help="of a passage, repeated in the next"
    )


def _finished(app: App, run_id: str) -> dict[str, Any]:
    status = app.wait(run_id, timeout_s=3600)
    if status.state != "done":
        raise DataError(status.message)
    return imports.result(app, run_id)


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
    parser.add_argument("--project")
    parser.add_argument("--system")
    parser.add_argument("--user")
    parser.add_argument("--preview", type=whole(), default=0, metavar="N", help="ask the teacher N rows")
    parser.add_argument("--config", metavar="JSON", help="settings of the method, as a JSON object")
    parser.add_argument("--engine", choices=(*ENGINES, "openai_http"))
    parser.add_argument("--model")
    parser.add_argument("--base-url", help="address of an endpoint, with --engine openai_http")
    parser.add_argument("--api-key-env", metavar="NAME", help="environment variable that holds the key")
    parser.add_argument("--max-tokens", type=int, help="longest answer; what the method needs when left out")
    parser.add_argument("--save", metavar="NAME", help="keep the template as a prompt version")


def _ask(app: App, project: str, template: Any, arguments: Arguments) -> list[dict[str, Any]]:
    named = chosen(arguments, {name: name for name in ("engine", "model", "base_url", "api_key_env")})
    teacher = load_config(TeacherConfig, models.default_teacher().model_dump() | named)
    usual = METHODS[template.method].reply_tokens
    sampling = SamplingConfig(max_tokens=arguments.max_tokens or usual)
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
            "said": [reply for call in a["calls"] for reply in call["replies"]],
            "rows": [
                {key: row[key] for key in ("status", "question", "answer", "rationale", "reason", "extra")}
                for row in a["rows"]
            ],
        }
        for a in answers
    ]


def allow_programs(arguments: Arguments) -> object:
    """``kd allow-programs``: the programs of people's files that wait for a yes; with --who, the yes."""
    method = find_method(METHODS, arguments.method)
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        found = programs.waiting(app, project, method, trial.requests_for(app, project, method.template, None))
        if arguments.who is not None:
            programs.allow(app, project, found, arguments.who)
    return {"allowed": arguments.who is not None, "programs": found}


def _allow_options(parser: Parser) -> None:
    parser.add_argument("--project")
    parser.add_argument("--method", default="code_with_tests", help="method that runs a column of your files")
    parser.add_argument("--who", metavar="NAME", help="who has read them and says that they may run")


COMMANDS = (
    Command("import", "import questions, documents or answers from files", import_files, _import_options),
    Command("elicit", "show or try the requests of a method or a recipe", elicit, _elicit_options),
    Command("allow-programs", "read and allow programs that came with your files", allow_programs, _allow_options),
)
