"""Read-only SQL over a snapshot of a project, in a child process that can do nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any, TypedDict

from kdcore.errors import ConfigError
from kdcore.resources import IMPORT_ROOT
from kdcore.services.workspace import App
from kdcore.store.engine import snapshot

EXAMPLE = snapshot.EXAMPLE
SECONDS = 10.0
MAX_CHARACTERS = 20_000
# isolated from the user's environment, yet of this very program, not of one that is installed beside it
CHILD = (
    "import sys; sys.path.insert(0, sys.argv[1]); from kdcore.store.engine.sql_child import main; main(sys.argv[2])"
)


class SqlAnswer(TypedDict):
    """A table; ``more`` says that it was cut."""

    columns: list[str]
    rows: list[list[Any]]
    more: bool


def ask(app: App, project_id: str, sql: str, seconds: float = SECONDS) -> SqlAnswer:
    """``{columns, rows, more}`` of one SELECT; at most 1,000 rows. Raises ConfigError with what was wrong."""
    if not sql.strip() or len(sql) > MAX_CHARACTERS:
        raise ConfigError(f"give one SELECT of at most {MAX_CHARACTERS} characters.")
    folder = snapshot.take(app.store, project_id, app.folders.root / "cache" / "snapshots")
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-c", CHILD, str(IMPORT_ROOT), str(folder)],
            input=sql.encode("utf-8", "replace"),
            capture_output=True,
            timeout=seconds,
            env={"PATH": os.environ.get("PATH", "")},  # no key of the app's goes in
        )
    except subprocess.TimeoutExpired as exc:
        raise ConfigError(f"the query took more than {seconds:.0f} s and was stopped; ask for less.") from exc
    if done.returncode != 0:
        raise ConfigError("the query needs more memory or time than it may have and was stopped; ask for less.")
    found = json.loads(done.stdout)
    if "error" in found:
        raise ConfigError(f"the query can't be run: {found['error']}")
    return found


def tables() -> list[str]:
    """What can be asked."""
    return list(snapshot.TABLES)
