"""``kd evaluate``: students beside base, teacher and any other candidate."""

from __future__ import annotations

from kdcore.cli.shared import Arguments, Command, Parser, chosen, config_of, config_option, finish, open_workspace
from kdcore.configs.evaluation import EARLIER_FIELDS, EvaluateConfig
from kdcore.errors import ConfigError
from kdcore.services.evaluate import comparison
from kdcore.services.workspace import App


def evaluate(arguments: Arguments) -> object:
    """``kd evaluate``."""
    given = config_of(arguments)
    if strange := [name for name in given if name not in (*EvaluateConfig.model_fields, *EARLIER_FIELDS)]:
        known = ", ".join(EvaluateConfig.model_fields)
        raise ConfigError(f'--config has the field "{strange[0]}", which an evaluation has not; known: {known}.')
    told = given.get("train_run_id") or ""
    if not isinstance(told, str):
        raise ConfigError(f"--config: train_run_id is {told!r}; expected the id of a training run.")
    trained = arguments.run or [name for name in [told] if name]
    if not trained:
        raise ConfigError("kd evaluate needs a training run, or a config with train_run_id.")
    own = {name: value for name, value in given.items() if name not in ("project_id", "train_run_id")}
    with open_workspace(arguments) as app:
        refuse_other_project(app, given.get("project_id"), trained)
        asked = trained[0] if len(trained) == 1 else trained
        run = comparison.start_run(app, asked, **(own | chosen(arguments, {"items": "max_items"})))
        return finish(app, run.run_id) | {
            "summary": comparison.summary(app, run.run_id),
            "differences": comparison.differences(app, run.run_id),
        }


def refuse_other_project(app: App, project: object, run_ids: list[str]) -> None:
    """Raise ConfigError where a config names another project than that of the training run."""
    of_run = app.run_dir(run_ids[0]).config().get("project_id")
    if project and project != of_run:
        raise ConfigError(f"--config: project_id is {project!r}, but {run_ids[0]} is a run of {of_run!r}.")


def _options(parser: Parser) -> None:
    parser.add_argument("run", nargs="*", help="training run; several put their students side by side")
    config_option(parser, "candidates, dataset_id, max_items and others")
    parser.add_argument("--items", type=int, help="held-out rows to use; 64 when left out")


COMMANDS = (Command("evaluate", "compare a run's student with base and teacher", evaluate, _options),)
