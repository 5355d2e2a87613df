"""What the commands of ``kd`` share: an open workspace, a project by its name, a run to its end."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from kdcore.errors import ConfigError, JobError
from kdcore.services import projects
from kdcore.services import workspace as app_service
from kdcore.services.workspace import App

Arguments = argparse.Namespace


@contextmanager
def open_workspace(arguments: Arguments) -> Iterator[App]:
    """The workspace that the arguments name, closed afterwards."""
    app = app_service.open_app(arguments.workspace)
    try:
        yield app
    finally:
        app.close()


def project_id(app: App, name: str | None, *, create: bool = False) -> str:
    """The id of a project by its name or id; raises ConfigError with the known names."""
    known = projects.list_projects(app)
    for project in known:
        if name in (project["name"], project["project_id"]):
            return project["project_id"]
    if create and name:
        return projects.create_project(app, name)
    names = ", ".join(f'"{p["name"]}"' for p in known) or "none yet"
    raise ConfigError(f'there is no project "{name}"; known: {names}.')


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
