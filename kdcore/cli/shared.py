"""What the commands of ``kd`` share: options beside their function, a config from a file, a run to its end."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from kdcore.errors import ConfigError, JobError
from kdcore.services import projects
from kdcore.services import workspace as app_service
from kdcore.services.workspace import App
from kdcore.settings import user_path

Arguments = argparse.Namespace
Parser = argparse.ArgumentParser
ENGINES = ("vllm", "transformers")


@dataclass(frozen=True, slots=True)
class Command:
    """One command: its name, a line of help, the function that runs it, and the options of that function."""

    name: str
    text: str
    run: Callable[[Arguments], Any]
    options: Callable[[Parser], None] = lambda parser: None


def config_option(parser: Parser, of: str) -> None:
    """``--config``: a file or an object whose fields hold unless an option says otherwise."""
    parser.add_argument(
        "--config", metavar="FILE|JSON", help=f"{of}, as a JSON file or object; an option wins over it"
    )


def config_of(arguments: Arguments) -> dict[str, Any]:
    """What ``--config`` brings, {} without one. Raises ConfigError for what is no JSON object."""
    text: str | None = arguments.config
    if not text:
        return {}
    if text.lstrip().startswith(("{", "[")):
        return json_object(text, "--config")
    path = user_path(text)
    try:
        return json_object(path.read_text(encoding="utf-8-sig"), f"--config {path.name}")
    except (OSError, UnicodeDecodeError) as exc:
        raise ConfigError(f"--config {text} can't be read ({exc}); give a JSON file or an object.") from exc


def refuse_config(arguments: Arguments, option: str) -> None:
    """Raise ConfigError where ``--config`` comes with an option beside which it says nothing."""
    if arguments.config:
        raise ConfigError(f"--config says nothing beside {option}: the run has its own; leave one of the two out.")


def _refuse_constant(name: str) -> float:
    raise ValueError(f"{name} is no number in JSON")


def whole(least: int = 0) -> Callable[[str], int]:
    """The type of an option that takes a whole number, ``least`` or more."""

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise argparse.ArgumentTypeError(f"{text!r} is no whole number from {least} on")
        return value

    return number


def share(text: str) -> float:
    """The type of an option that takes a share, 0 to less than 1."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no share from 0 to less than 1, such as 0.15")
    return value


def json_object(text: str, option: str) -> dict[str, Any]:
    """A JSON object; raises ConfigError that names the option."""
    try:
        value = json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as exc:
        raise ConfigError(f'{option} is not JSON ({exc}); expected an object such as {{"rounds": 2}}.') from exc
    if not isinstance(value, dict):
        raise ConfigError(f'{option} is JSON but no object; expected one such as {{"rounds": 2}}.')
    return value


def chosen(arguments: Arguments, fields: Mapping[str, str]) -> dict[str, Any]:
    """The options that were given, under the names of the config's fields (option → field); an empty one is none."""
    values = {field: getattr(arguments, option) for option, field in fields.items()}
    return {field: value for field, value in values.items() if value not in (None, "")}


def names(text: str | None) -> list[str]:
    """Names parted by commas, blanks left out."""
    return [name.strip() for name in (text or "").split(",") if name.strip()]


@contextmanager
def open_workspace(arguments: Arguments) -> Iterator[App]:
    """The workspace that the arguments name, closed afterwards."""
    app = app_service.open_app(arguments.workspace)
    try:
        yield app
    finally:
        app.close()


def project_id(app: App, name: str | None, *, create: bool = False) -> str:
    """The id of a project by its name or id, of the only one where none is named.

    Raises ConfigError with the known names.
    """
    known = projects.list_projects(app)
    if name is None and len(known) == 1 and not create:
        return known[0]["project_id"]
    for project in known:
        if name in (project["name"], project["project_id"]):
            return project["project_id"]
    if create and name:
        return projects.create_project(app, name)
    there = ", ".join(f'"{p["name"]}"' for p in known) or "none yet"
    if not name:
        raise ConfigError(f"--project is missing; give the name of a project ({there}).")
    raise ConfigError(f'there is no project "{name}"; known: {there}.')


def progress_line(name: str = "") -> Callable[[Any], None]:
    """What prints a run's progress on stderr, each line once."""
    last = [""]

    def show(status: Any) -> None:
        p = status.progress
        line = f"{name}{status.message} {p.get('done', '')}/{p.get('total', '')} {p.get('unit', '')}".strip()
        if line != last[0]:
            print(line, file=sys.stderr, flush=True)
            last[0] = line

    return show


def finish(app: App, run_id: str) -> dict[str, Any]:
    """Wait for a run with its progress on stderr; raises JobError unless it is done."""
    status = app.wait(run_id, timeout_s=24 * 3600, on_poll=progress_line(f"{run_id}: "))
    if status.state != "done":
        raise JobError(f"run {run_id} {status.state}: {status.message}")
    return {"run_id": run_id, "state": status.state, "progress": status.progress}
