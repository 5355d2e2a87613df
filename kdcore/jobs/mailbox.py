"""Questions to a warm service and its answers: small files, each replaced as a whole, in the run folder."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kdcore.errors import JobError
from kdcore.jobs.run_dir import RunDir, write_json


def ask(run: RunDir, body: dict[str, Any]) -> str:
    """Post a question; return its number."""
    (run.path / "inbox").mkdir(exist_ok=True)
    key = f"{time.time_ns()}-{secrets.token_hex(3)}"
    write_json(run.path / "inbox" / f"{key}.json", body, durable=False)
    return key


def answer_to(run: RunDir, key: str) -> dict[str, Any] | None:
    """The answer, or None while it is awaited. Raises JobError if the service answered with an error."""
    path = run.path / "outbox" / f"{key}.json"
    if not path.exists():
        return None
    body = json.loads(path.read_bytes())
    if "error" in body:
        raise JobError(body["error"])
    return body


def waiting(run: RunDir) -> Iterator[tuple[str, dict[str, Any]]]:
    """For the service: unanswered questions, oldest first."""
    for path in sorted((run.path / "inbox").glob("*.json")):
        yield path.stem, json.loads(path.read_bytes())


def reply(run: RunDir, key: str, body: dict[str, Any]) -> None:
    """For the service: answer one question."""
    outbox: Path = run.path / "outbox"
    outbox.mkdir(exist_ok=True)
    write_json(outbox / f"{key}.json", body, durable=False)
    (run.path / "inbox" / f"{key}.json").unlink(missing_ok=True)
