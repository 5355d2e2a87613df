"""The one gate of text that leaves this machine: ``App.launch`` sends every run through it, whatever starts it.

A run that would send text of a project marked as sensitive is refused; one that may send some gets a file that says
so, which its worker looks for before each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, cast

from kdcore.configs.base import load_config
from kdcore.configs.teacher import TeacherConfig
from kdcore.errors import ConfigError
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.records.decisions import DataClass
from kdcore.store import projects
from kdcore.store.engine.db import Store
from kdcore.teacher import permission

WORDS: dict[DataClass, str] = {
    "public": "public text",
    "internal": "internal text",
    "phi": "health data of persons",
    "privileged": "privileged legal text",
}
SENSITIVE = ("phi", "privileged")


def outside_teachers(config: Any) -> Iterator[TeacherConfig]:
    """Every teacher in a config, at any depth, that is not on this machine."""
    if isinstance(config, Mapping):
        found = cast("Mapping[str, Any]", config)
        if found.get("engine") == "openai_http":
            teacher = load_config(TeacherConfig, {k: v for k, v in found.items() if k in TeacherConfig.model_fields})
            if not teacher.is_local:
                yield teacher
        for value in found.values():
            yield from outside_teachers(value)
    elif isinstance(config, list | tuple):
        for value in cast("list[Any]", config):
            yield from outside_teachers(value)


def may_leave(store: Store, project_id: str) -> bool:
    """Whether a project's text may go to a teacher outside: it is not sensitive, or there is an agreement."""
    held = projects.data_class(store, project_id)
    return held["data_class"] not in SENSITIVE or bool(held["contract"])


def refuse(store: Store, project_id: str) -> None:
    """Raise ConfigError where a project's text may not leave."""
    if not may_leave(store, project_id):
        held = projects.data_class(store, project_id)
        raise ConfigError(
            f"this project holds {WORDS[held['data_class']]}, which only a teacher on this machine may read; choose "
            "vLLM here, or record the agreement with the endpoint in the project's settings on the Elicit page."
        )


def pass_gate(store: Store, run: RunDir) -> None:
    """Before a run is launched: refuse it, or give it leave to send. Raises ConfigError; harmless for other runs."""
    config = run.config()
    outside = list(outside_teachers(config))
    file = run.path / permission.FILE
    if not outside:
        return
    file.unlink(missing_ok=True)
    project_id = str(config.get("project_id") or "")
    if not project_id:
        raise ConfigError("a run that sends text to an endpoint must belong to a project: its kind of data decides.")
    refuse(store, project_id)
    write_json(file, {"project_id": project_id, "to": sorted({teacher.base_url for teacher in outside})})


def shut(run: RunDir) -> bool:
    """Take a run's leave away, if it has one; its worker sends nothing from then on."""
    file = run.path / permission.FILE
    had = file.exists()
    file.unlink(missing_ok=True)
    return had
