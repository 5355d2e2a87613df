"""Programs that came with people's files: a person reads them and says yes before any of them runs."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Sequence

from kdcore.elicitation.base import Method
from kdcore.errors import ConfigError
from kdcore.records.decisions import ProgramsAllowed
from kdcore.services.workspace import App
from kdcore.store import projects
from kdcore.types import Request


def waiting(app: App, project_id: str, method: Method, requests: Iterable[Request]) -> list[str]:
    """The programs of a method's column that nobody has allowed yet, each once, in the order of the rows."""
    if not method.code_column:
        return []
    found = dict.fromkeys(request.variables.get(method.code_column, "") for request in requests)
    allowed = projects.allowed_programs(app.store, project_id)
    return [text for text in found if text.strip() and _digest(text) not in allowed]


def refuse_unread(app: App, project_id: str, method: Method, requests: Iterable[Request]) -> None:
    """Raise ConfigError where rows bring programs that nobody has allowed."""
    if found := waiting(app, project_id, method, requests):
        raise ConfigError(
            f'the column "{method.code_column}" of your rows holds {len(found)} '
            f"{'program' if len(found) == 1 else 'programs'} that would run here; read them and allow them on the "
            "Generate page, or by kd allow-programs."
        )


def allow(app: App, project_id: str, programs: Sequence[str], who: str) -> None:
    """Note who said that these programs may run."""
    if not who.strip():
        raise ConfigError("say who allows these programs.")
    app.decide(
        ProgramsAllowed(
            project_id=project_id,
            programs=tuple(_digest(text) for text in programs),
            who=who.strip(),
            created=time.time(),
        )
    )


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
