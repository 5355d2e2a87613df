"""The registry of teacher terms: which entry holds for a teacher, and what it allows."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cache
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import yaml

from kdcore.configs.base import Config, load_config
from kdcore.configs.teacher import TeacherConfig

Training = Literal["allow", "allow_with_conditions", "deny_if_competing", "deny", "unknown"]
RECHECK_DAYS = 180
_FILE = Path(__file__).with_name("teacher_terms.yaml")


class Entry(Config):
    """Terms of some models by one route."""

    id: str
    route: str
    models: tuple[str, ...]
    terms: str
    train: Training
    conditions: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    checked: str = "background"
    propagates: bool = False
    name_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """The entry that holds, the registry's version, and whether it is due to be read again."""

    entry: Entry
    version: str
    stale: bool


# from the most permissive to the least: several sources are bound by the strictest of theirs
STRICTNESS: tuple[Training, ...] = ("allow", "allow_with_conditions", "deny_if_competing", "unknown", "deny")

UNKNOWN = Entry(
    id="unknown",
    route="any",
    models=("*",),
    terms="no entry in the registry",
    train="unknown",
    conditions=("Read the licence of this model.",),
)


@cache
def registry() -> tuple[str, str, tuple[Entry, ...]]:
    """``(version, date read, entries)`` of the file beside this one."""
    data: dict[str, Any] = yaml.safe_load(_FILE.read_text("utf-8"))
    return str(data["version"]), str(data["read"]), tuple(load_config(Entry, row) for row in data["entries"])


def terms_of(teacher: TeacherConfig) -> Terms:
    """The entry for a teacher by its route: an endpoint that is not on this machine is an API."""
    version, read, entries = registry()
    stale = time.time() - time.mktime(time.strptime(read, "%Y-%m-%d")) > RECHECK_DAYS * 86_400
    host = urlsplit(teacher.base_url).hostname or ""
    route = "api" if teacher.engine == "openai_http" and not teacher.is_local else "weights"
    for entry in entries:
        if entry.route != route:
            continue
        by_host = any(fnmatch(host, pattern) for pattern in entry.hosts)
        if by_host or any(fnmatch(teacher.model.lower(), pattern) for pattern in entry.models if pattern != "*"):
            return Terms(entry, version, stale)
    return Terms(UNKNOWN, version, stale)


def own_answers() -> Entry:
    """What holds for answers that people brought along themselves."""
    return entry_of("own-answers")


def entry_of(terms: str) -> Entry:
    """The entry that a sample's ``terms`` name, as ``id@version``; UNKNOWN for one that is no longer there."""
    return next((entry for entry in registry()[2] if entry.id == terms.split("@")[0]), UNKNOWN)


def strictest(entries: Iterable[Entry]) -> Entry:
    """The entry that binds what was made of several sources; UNKNOWN without any."""
    return max(entries, key=lambda entry: STRICTNESS.index(entry.train), default=UNKNOWN)


def needs_decision(entry: Entry) -> bool:
    """Whether someone must decide in writing before a model is trained on such answers."""
    return STRICTNESS.index(entry.train) >= STRICTNESS.index("deny_if_competing")
