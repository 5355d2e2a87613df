"""``kd distill`` and ``kd rounds``: students trained, by options or by a config, or a run goes on."""

from __future__ import annotations

from typing import Any

from kdcore.cli.shared import (
    ENGINES,
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
from kdcore.configs.distillation import DistillConfig
from kdcore.configs.losses import LOSSES, refuse_foreign
from kdcore.configs.rounds import RoundsConfig
from kdcore.errors import ConfigError, JobError
from kdcore.models import DEFAULT_TEACHER
from kdcore.services import models
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import rounds, sweeps
from kdcore.services.distill import runs as training_runs
from kdcore.services.workspace import App

RECIPE = {"on_policy": "on_policy", "epochs": "epochs", "seed": "seed", "name": "name"}
SLICE = {"dataset": "dataset_id", "targets": "targets", "tail": "tail", "temperature": "temperature"}
STUDENT = {"keep_layers": "keep_layers", "adapter": "adapter"}
POLICY = {"reward": "reward", "reward_run": "reward_run", "answers": "answers"}
ROUNDS = {name: name for name in ("rounds", "rows", "loss", "begin", "epochs", "engine", "name")} | {
    "prompt": "prompt_version_id",
    "student": "start",
    "most_kl": "max_kl_to_start",
}


def distill(arguments: Arguments) -> object:
    """``kd distill``."""
    with open_workspace(arguments) as app:
        if arguments.resume:
            refuse_config(arguments, "--resume")
            run = app.launch(app.run_dir(arguments.resume))
        else:
            given = config_of(arguments)
            project = project_id(app, arguments.project or given.get("project_id"))
            config = load_config(DistillConfig, _recipe(app, project, arguments, given), app.folders.mounts)
            if arguments.losses or arguments.seeds or arguments.rows or arguments.draws:
                return _sweep(app, project, config, arguments)
            run = training_runs.start_run(app, project, config)
        result = finish(app, run.run_id)
        points = [p for p in training_runs.curves(app, [run.run_id]) if p["split"] == "heldout"]
        return result | {"heldout": {p["name"]: p["value"] for p in points}}


def _recipe(app: App, project: str, arguments: Arguments, given: dict[str, Any]) -> dict[str, Any]:
    """A ``DistillConfig`` as JSON: what the config says, and the options that were given in its place."""
    slices = given.get("slices", [{}])
    if not isinstance(slices, list) or not slices or not all(isinstance(part, dict) for part in slices):
        raise ConfigError("--config: slices is no list of objects; expected one for each term of the sum.")
    policy = _part(given, "policy") | chosen(arguments, POLICY)
    if arguments.reward_run:
        policy["reward"] = "reward_model"
    student = _part(given, "student") | chosen(arguments, STUDENT)
    if arguments.student:
        student |= {"init": "model", "model": arguments.student}
    return (
        given
        | {"slices": [_slice(part, arguments) for part in _with_version(app, project, slices, arguments.dataset)]}
        | {"policy": policy, "student": student}
        | chosen(arguments, RECIPE)
    )


def _part(given: dict[str, Any], name: str) -> dict[str, Any]:
    part = given.get(name, {})
    if not isinstance(part, dict):
        raise ConfigError(f"--config: {name} is {part!r}; expected an object.")
    return part


def _slice(part: dict[str, Any], arguments: Arguments) -> dict[str, Any]:
    """One slice; an option holds for each of them, and another loss has other settings."""
    part = part | chosen(arguments, SLICE)
    if not isinstance(part.get("loss", ""), str):
        raise ConfigError(f"--config: loss is {part['loss']!r}; expected the name of one (see kd losses).")
    if not isinstance(part.get("loss_config", {}), dict):
        raise ConfigError(f"--config: loss_config is {part['loss_config']!r}; expected an object.")
    if arguments.loss is not None:
        if part.get("loss", arguments.loss) != arguments.loss:
            part = {name: value for name, value in part.items() if name != "loss_config"}
        part = part | {"loss": arguments.loss}
    refuse_foreign(part)
    loss = LOSSES.get(part.get("loss", "forward_kl"))
    if arguments.beta is not None and loss is not None:
        if "beta" in loss.config.model_fields:
            part = part | {"loss_config": part.get("loss_config", {}) | {"beta": arguments.beta}}
        elif not arguments.losses:
            able = ", ".join(name for name, each in LOSSES.items() if "beta" in each.config.model_fields)
            raise ConfigError(f"--beta is {arguments.beta:g}, but {loss.name} has no beta; these have: {able}.")
    return part


def _with_version(app: App, project: str, slices: list[dict[str, Any]], asked: str | None) -> list[dict[str, Any]]:
    """Slices that name no version take the newest of the project."""
    if asked or all(part.get("dataset_id") for part in slices):
        return slices
    versions = dataset_versions.list_datasets(app, project)
    if not versions:
        raise ConfigError("the project has no dataset version; freeze one with kd dataset … --freeze NAME.")
    return [{"dataset_id": versions[0]["dataset_id"]} | part for part in slices]


def _distill_options(parser: Parser) -> None:
    parser.add_argument("--project")
    config_option(parser, "a recipe of several slices, with weights, selections and every other setting")
    parser.add_argument("--dataset", help="dataset version id; the newest when left out")
    parser.add_argument("--loss", help="see kd losses; forward_kl when left out")
    parser.add_argument("--targets", choices=("stored", "live"), help="top-k that was stored, or the live teacher")
    parser.add_argument("--tail", choices=("bucket", "drawn"), help="drawn: of kd score --tail, for forward_kl")
    parser.add_argument("--beta", type=float, help="of generalized_jsd, dpo and kto")
    parser.add_argument("--temperature", type=float, help="with the live teacher")
    parser.add_argument("--on-policy", type=float, help="share of steps on the student's own answers")
    parser.add_argument("--student", help="model; left out: a thinned copy of the teacher")
    parser.add_argument("--keep-layers", type=int, help="layers of that copy; 10 when left out")
    parser.add_argument("--adapter", choices=("full", "lora", "qlora"))
    parser.add_argument("--reward", choices=("frozen_answer", "teacher"), help="of grpo and rloo")
    parser.add_argument("--reward-run", help="instead: the run of a reward model")
    parser.add_argument("--answers", type=int, help="answers to each question, for grpo and rloo; 4 when left out")
    parser.add_argument("--epochs", type=float, help="passes over the data; 3 when left out")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--name", help="what the run is called")
    parser.add_argument("--losses", default="", help="several, parted by commas: a sweep, one training each")
    parser.add_argument("--seeds", default="", help="several, parted by commas")
    parser.add_argument("--rows", default="", help="training rows, several parted by commas; 0 is all")
    parser.add_argument("--draws", default="", help="with --rows: picks that draw them, parted by commas; or chance")
    parser.add_argument("--resume", metavar="RUN")


def _sweep(app: App, project: str, config: DistillConfig, arguments: Arguments) -> dict[str, Any]:
    """``kd distill`` over several losses, seeds or budgets, parted by commas."""
    losses = names(arguments.losses)
    rows, seeds = (sweeps.whole_numbers(f"--{name}", getattr(arguments, name)) for name in ("rows", "seeds"))
    draws = ["" if name == "chance" else name for name in names(arguments.draws)]
    own = {} if arguments.beta is None else {"beta": arguments.beta}
    made = sweeps.start(app, project, config, losses, rows, seeds, draws, own=own)
    sweeps.wait(app, made)
    states = {run_id: app.status(run_id).state for run_id in made}
    if failed := [run_id for run_id, state in states.items() if state != "done"]:
        raise JobError(f"{len(failed)} of {len(made)} trainings did not end well, such as {failed[0]}.")
    return {"runs": states, "results": sweeps.results(app, made)}


def rounds_command(arguments: Arguments) -> object:
    """``kd rounds``."""
    with open_workspace(arguments) as app:
        if arguments.resume:
            refuse_config(arguments, "--resume")
            rounds.go_on(app, arguments.resume)
            loop = rounds.load(app, arguments.resume)
        else:
            usual = {"prompt_version_id": "", "start": DEFAULT_TEACHER, "engine": models.default_engine()[0]}
            given = usual | config_of(arguments) | chosen(arguments, ROUNDS)
            if arguments.checks is not None:
                given["checks"] = tuple(names(arguments.checks))
            project = project_id(app, arguments.project or given.get("project_id"))
            loop = rounds.start(app, project, load_config(RoundsConfig, given, app.folders.mounts))
        loop = rounds.wait(app, loop.loop_id)
        if loop.state == "failed":
            raise JobError(f"rounds {loop.loop_id} failed: {loop.message}; mend it, then kd rounds --resume it.")
        return {"rounds_id": loop.loop_id, "state": loop.state, "message": loop.message} | {
            "rounds": [vars(each) for each in loop.rounds]
        }


def _rounds_options(parser: Parser) -> None:
    parser.add_argument("--project")
    config_option(parser, "sampling, checks, learning rate and every other setting")
    parser.add_argument("--prompt", help="prompt version of a self-knowledge method")
    parser.add_argument("--student", help="a model, or the run of an earlier student; the built-in one if left out")
    parser.add_argument("--rounds", type=int, help="at most; 3 when left out")
    parser.add_argument("--rows", type=int, help="questions asked in each round; 64 when left out")
    parser.add_argument("--loss", help="dpo for methods that make pairs; sequence_level_kd when left out")
    parser.add_argument("--begin", choices=("last", "start"), help="train the last student, or the first")
    parser.add_argument("--epochs", type=float, help="passes over each round's rows; 1 when left out")
    parser.add_argument("--checks", help="checks that an answer must pass, parted by commas")
    parser.add_argument("--most-kl", type=float, metavar="NATS", help="end when it is this far from where it began")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--name", help="what the loop is called")
    parser.add_argument("--resume", metavar="ROUNDS")


COMMANDS = (
    Command("distill", "train a student, or resume a run", distill, _distill_options),
    Command("rounds", "let a student make its own data and learn from it", rounds_command, _rounds_options),
)
