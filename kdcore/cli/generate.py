"""``kd generate``: the teacher is asked, by options or by a config, or a run goes on."""

from __future__ import annotations

import sys
from typing import Any

from kdcore.cli.shared import (
    Arguments,
    Command,
    Parser,
    chosen,
    config_of,
    config_option,
    finish,
    names,
    open_workspace,
    project_id,
    refuse_config,
)
from kdcore.configs.base import load_config
from kdcore.configs.elicitation import BudgetConfig, GenerateConfig, PromptTemplate, TargetConfig
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.services import models, projects
from kdcore.services.generate import routing
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App

TEACHER = {"engine": "engine", "model": "model", "base_url": "base_url", "api_key_env": "api_key_env"}
SAMPLING = {"max_tokens": "max_tokens", "temperature": "temperature", "n": "n"}
TARGET = {"exactly": "rows", "checks": "checks", "per_topic": "per_topic", "max_similarity": "max_similarity"}
WORKED_OUT = ("teacher_path", "teacher_fingerprint", "replies", "terms_id", "terms_version")
BUDGET = {"budget_tokens": "tokens", "budget_seconds": "seconds", "budget_money": "money"}


def generate(arguments: Arguments) -> object:
    """``kd generate``."""
    with open_workspace(arguments) as app:
        for option in ("resume", "retry", "route"):
            if getattr(arguments, option):
                refuse_config(arguments, f"--{option}")
        if arguments.retry:
            run = generation_runs.retry_failed(app, arguments.retry)
        elif arguments.resume:
            run = generation_runs.resume(app, arguments.resume, _raised(arguments))
        elif arguments.route:
            return _route(app, arguments)
        else:
            given = _known(config_of(arguments))
            project = project_id(app, arguments.project or given.get("project_id"))
            version = _prompt(app, project, arguments.prompt, given)
            teacher = models.default_teacher().model_dump() | given.get("teacher", {}) | chosen(arguments, TEACHER)
            template = projects.template_of(app, project, version)
            usual = METHODS[template.method].reply_tokens
            sampling = {"max_tokens": usual, **given.get("sampling", {}), **chosen(arguments, SAMPLING)}
            target = chosen(arguments, TARGET)
            if arguments.checks is not None:
                target["checks"] = names(arguments.checks)
            asked_of = load_config(TeacherConfig, teacher, app.folders.mounts)
            sampled = load_config(SamplingConfig, sampling)
            for warning in generation_runs.look(app, project, template, asked_of, sampled, arguments.rows).warnings:
                print(f"note: {warning}", file=sys.stderr)
            run = generation_runs.start_run(
                app,
                project,
                version,
                asked_of,
                sampled,
                rows=arguments.rows,
                target=load_config(TargetConfig, given.get("target", {}) | target),
                budget=load_config(BudgetConfig, given.get("budget", {}) | chosen(arguments, BUDGET)),
            )
        return finish(app, run.run_id) | {"funnel": generation_runs.funnel(app, run.run_id)}


def _options(parser: Parser) -> None:
    parser.add_argument("--project")
    config_option(parser, "prompt_version_id or template, teacher, sampling, target and budget")
    parser.add_argument("--prompt", help="prompt version id; the newest when left out")
    parser.add_argument("--rows", type=int)
    parser.add_argument("--resume", metavar="RUN", help="go on with a run")
    parser.add_argument("--retry", metavar="RUN", help="ask again what ended as failed")
    parser.add_argument("--model")
    parser.add_argument("--engine", choices=("vllm", "transformers", "openai_http"))
    parser.add_argument("--base-url")
    parser.add_argument("--api-key-env", metavar="NAME", help="environment variable that holds the key")
    parser.add_argument("--max-tokens", type=int, help="longest answer; what the method needs when left out")
    parser.add_argument("--temperature", type=float, help="0.7 when left out")
    parser.add_argument("-n", type=int, help="answers for each question; 1 when left out")
    parser.add_argument("--route", metavar="RUN,RUN", help="ask what is left of each part of the run that did best")
    parser.add_argument("--by", choices=("topic", "cluster"), default="topic", help="with --route: what a part is")
    parser.add_argument("--goes-by", default="", metavar="CHECK", help="with --route: a check's score decides")
    parser.add_argument("--exactly", type=int, metavar="N", help="go on until N rows pass the checks")
    parser.add_argument("--checks", help="checks that a row must pass to count, parted by commas")
    parser.add_argument("--per-topic", action="store_true", default=None, help="the same number for each topic")
    parser.add_argument("--max-similarity", type=float, help="rows more alike than this do not count")
    parser.add_argument("--budget-tokens", type=int)
    parser.add_argument("--budget-seconds", type=float)
    parser.add_argument("--budget-money", type=float)


def _known(given: dict[str, Any]) -> dict[str, Any]:
    """The fields of a ``GenerateConfig``; raises ConfigError for another one, or for a part that is no object."""
    if strange := [name for name in given if name not in GenerateConfig.model_fields]:
        known = ", ".join(GenerateConfig.model_fields)
        raise ConfigError(f'--config has the field "{strange[0]}", which a generation has not; known: {known}.')
    if anew := [name for name in WORKED_OUT if name in given]:
        print(f"worked out anew, not taken from --config: {', '.join(anew)}", file=sys.stderr)
    for name in ("teacher", "sampling", "target", "budget", "template"):
        if not isinstance(given.get(name, {}), dict):
            raise ConfigError(f"--config: {name} is {given[name]!r}; expected an object.")
    return given


def _prompt(app: App, project: str, asked: str | None, given: dict[str, Any]) -> str:
    """The prompt version to ask with; a template without one is saved as a new version."""
    named = asked or given.get("prompt_version_id")
    template = load_config(PromptTemplate, given["template"]) if "template" in given else None
    if named:
        if template is not None and not asked and template != projects.template_of(app, project, named):
            raise ConfigError(f"--config has a template that is not the one of {named}; leave one of the two out.")
        return str(named)
    if template is not None:
        return projects.save_prompt_version(app, project, "From a config", template)
    versions = projects.prompt_versions(app, project)
    if not versions:
        raise ConfigError("the project has no prompt version; save one with kd elicit … --save NAME.")
    return versions[0]["prompt_version_id"]


def _raised(arguments: Arguments) -> BudgetConfig | None:
    given = chosen(arguments, BUDGET)
    return load_config(BudgetConfig, given) if any(given.values()) else None


def _route(app: App, arguments: Arguments) -> dict[str, Any]:
    """``kd generate --route``: each part of the questions to the run that did best in it."""
    project = project_id(app, arguments.project)
    found = routing.compare(app, project, arguments.route.split(","), arguments.by, arguments.goes_by)
    best = {entry["part"]: entry["best"] for entry in found}
    started = routing.start(app, project, best, arguments.by, _raised(arguments))
    return {"parts": found, "runs": [finish(app, run.run_id) for run in started]}


COMMANDS = (Command("generate", "ask the teacher, or resume a run", generate, _options),)
