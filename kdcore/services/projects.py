"""Projects, prompt versions, seeds: the start of every thread."""

from __future__ import annotations

import difflib
import time
from typing import Any

from kdcore import ids
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.elicitation.template import refuse_braces
from kdcore.errors import ConfigError
from kdcore.records.decisions import ProjectMade, PromptVersionSaved
from kdcore.records.projects import Project, PromptVersion
from kdcore.records.samples import SeedCount
from kdcore.services.workspace import App
from kdcore.store import projects

SAMPLE_PROJECT = "Sample project: medicine and law"


def create_project(app: App, name: str, domain: str = "") -> str:
    """Make a project; return its id. A second one of the same name is refused."""
    name = name.strip()
    if not name:
        raise ConfigError("the project needs a name.")
    with app.naming:
        if any(p["name"] == name for p in projects.list_projects(app.store)):
            raise ConfigError(f'there is a project "{name}" already; choose another name.')
        project_id = "pj_" + ids.stable_hash(name, time.time_ns(), length=10)
        app.decide(ProjectMade(project_id=project_id, name=name, domain=domain.strip(), created=time.time()))
    return project_id


def list_projects(app: App) -> list[Project]:
    """All projects, oldest first."""
    return projects.list_projects(app.store)


def save_prompt_version(app: App, project_id: str, name: str, template: PromptTemplate, note: str = "") -> str:
    """Keep a template as an immutable version; saving the same text again returns the same id."""
    find_method(METHODS, template.method)
    refuse_braces(template)
    content = template.model_dump(mode="json")
    version_id = ids.prompt_version_id({"project": project_id, "name": name, **content})
    with app.naming:
        existing = [p for p in projects.list_prompt_versions(app.store, project_id) if p["name"] == name]
        if any(p["prompt_version_id"] == version_id for p in existing):
            return version_id
        app.decide(
            PromptVersionSaved(
                prompt_version_id=version_id,
                project_id=project_id,
                name=name.strip() or template.method,
                version=1 + max((p["version"] for p in existing), default=0),
                method=template.method,
                content=template.model_dump_json(),
                note=note,
                created=time.time(),
            )
        )
    return version_id


def prompt_versions(app: App, project_id: str) -> list[PromptVersion]:
    """Versions, newest first, with the rows each has made."""
    return projects.list_prompt_versions(app.store, project_id)


def template_of(app: App, project_id: str, version_id: str) -> PromptTemplate:
    """The template of a version; raises ConfigError if there is none."""
    for version in projects.list_prompt_versions(app.store, project_id):
        if version["prompt_version_id"] == version_id:
            return PromptTemplate.model_validate(version["content"])
    raise ConfigError(f'there is no prompt version "{version_id}" in this project.')


def diff_versions(old: PromptVersion, new: PromptVersion) -> str:
    """A unified diff of two versions as a person would write them down."""

    def lines(version: PromptVersion) -> list[str]:
        content = version["content"]
        text = f"method: {content['method']}\n\n[system]\n{content['system']}\n\n[user]\n{content['user']}\n"
        for example in content["examples"]:
            text += f"\n[example]\n{example['user']}\n→ {example['assistant']}\n"
        return text.splitlines()

    return "\n".join(
        difflib.unified_diff(
            lines(old),
            lines(new),
            f"{old['name']} v{old['version']}",
            f"{new['name']} v{new['version']}",
            lineterm="",
        )
    )


# ---- seeds ------------------------------------------------------------------------------------------
def seeds(app: App, project_id: str, **how: Any) -> list[dict[str, str]]:
    """Seeds as templates see them; see ``store.projects.list_seeds``."""
    project = next((p for p in projects.list_projects(app.store) if p["project_id"] == project_id), None)
    rows = projects.list_seeds(app.store, project_id, **how)
    for row in rows:
        row.setdefault("domain", (project["domain"] if project else "") or "")
    return rows


def seed_counts(app: App, project_id: str) -> list[SeedCount]:
    """Seeds by kind and topic."""
    return projects.count_seeds(app.store, project_id)
