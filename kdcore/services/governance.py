"""Which teacher may see a project's text, and what its terms say of training."""

from __future__ import annotations

import time
from typing import Any, Literal, get_args

from kdcore.configs.teacher import TeacherConfig
from kdcore.errors import ConfigError
from kdcore.governance.teacher_terms import Terms, is_local, terms_of
from kdcore.services.app import App
from kdcore.store import projects

DataClass = Literal["public", "internal", "phi", "privileged"]
DATA_CLASSES: tuple[DataClass, ...] = get_args(DataClass)
WORDS: dict[DataClass, str] = {
    "public": "public text",
    "internal": "internal text",
    "phi": "health data of persons",
    "privileged": "privileged legal text",
}
SENSITIVE = ("phi", "privileged")


def set_data_class(app: App, project_id: str, data_class: DataClass, contract: str = "") -> None:
    """Say what kind of text a project holds; ``contract`` records the agreement with an outside teacher."""
    if data_class not in DATA_CLASSES:
        raise ConfigError(f'unknown data class "{data_class}"; known: {", ".join(DATA_CLASSES)}.')
    row = {"project_id": project_id, "data_class": data_class, "contract": contract.strip(), "created": time.time()}
    app.decide("data_class", row)


def policy(app: App, project_id: str) -> dict[str, Any]:
    """``{data_class, contract}`` that holds for a project now."""
    return projects.data_class(app.store, project_id)


def refuse_zone(app: App, project_id: str, teacher: TeacherConfig) -> Terms:
    """Raise ConfigError where sensitive text would leave; else the terms that hold for this teacher."""
    held = policy(app, project_id)
    if held["data_class"] in SENSITIVE and not is_local(teacher) and not held["contract"]:
        raise ConfigError(
            f"this project holds {WORDS[held['data_class']]}, which may only meet a teacher on this machine; choose "
            "vLLM here, or record the agreement with the endpoint in the project's settings on the Elicit page."
        )
    return terms_of(teacher)
