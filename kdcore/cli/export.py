"""``kd export``: a dataset version, or a student, to a folder."""

from __future__ import annotations

import sys
from pathlib import Path

from kdcore.cli.shared import Arguments, Command, Parser, chosen, config_of, config_option, finish, open_workspace
from kdcore.configs.base import load_config
from kdcore.configs.exports import ExportConfig
from kdcore.errors import ConfigError
from kdcore.services.export import datasets as dataset_export
from kdcore.services.export import everything, students

FIELDS = {"dataset": "dataset_id", "run": "train_run_id", "format": "format", "out": "out", "thoughts": "thoughts"}


def export(arguments: Arguments) -> object:
    """``kd export``: a dataset version, with --run the student of a training, with --all the whole workspace."""
    if arguments.all:
        return _all(arguments)
    config = load_config(ExportConfig, config_of(arguments) | chosen(arguments, FIELDS))
    if bool(config.train_run_id) == bool(config.dataset_id):
        raise ConfigError("kd export needs a dataset version or --run with a training run, one of the two.")
    if not config.out:
        raise ConfigError("kd export needs --out: the folder to write to.")
    out = Path(config.out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise ConfigError(f"--out is {out}, which is there already; give a new or an empty folder.")
    with open_workspace(arguments) as app:
        if config.train_run_id:
            form = config.format or "safetensors"
            run = students.start_export(app, config.train_run_id, form)
            finish(app, run.run_id)
            files, what = students.copy_to(app, run.run_id, out), {"run_id": config.train_run_id}
            dataset_export.log_export(app, config.train_run_id, form, 0, "cli", str(out))
        else:
            form = config.format or "chat_jsonl"
            done = dataset_export.write(app, config.dataset_id, form, out, config.thoughts)
            dataset_export.log_export(app, config.dataset_id, form, done.rows, "cli", str(out))
            files, what = done.files, {"dataset_id": config.dataset_id, "rows": done.rows, "left_out": done.left_out}
            if done.said:
                print(done.said, file=sys.stderr)
    return {**what, "format": form, "files": [str(f) for f in files]}


def _all(arguments: Arguments) -> object:
    if (
        arguments.dataset
        or arguments.run
        or arguments.config
        or arguments.format
        or arguments.thoughts
        or not arguments.out
    ):
        raise ConfigError("kd export --all takes --out, the folder to write to, and nothing that says what to take.")
    with open_workspace(arguments) as app:
        return {"out": arguments.out, "rows": everything.write(app, Path(arguments.out), "cli")}


def _options(parser: Parser) -> None:
    parser.add_argument("dataset", nargs="?", help="dataset version id")
    config_option(parser, "dataset_id or train_run_id, format and out")
    parser.add_argument(
        "--all", action="store_true", help="every table of the workspace as Parquet, JSON and a README"
    )
    parser.add_argument("--run", help="a training run, to take its student instead")
    parser.add_argument("--format", help="chat_jsonl and others (kd exporters); safetensors or gguf for a student")
    parser.add_argument("--thoughts", choices=("none", "tags"), help="tags: rationales between think tags")
    parser.add_argument("--out", help="a new or an empty folder")


COMMANDS = (Command("export", "write a dataset version, or a student, to a folder", export, _options),)
