"""Tags on samples: written to the log of decisions, so that nothing of it is ever lost."""

from __future__ import annotations

import time

from kdcore import ids
from kdcore.configs.selection import IsOneOf, Selection
from kdcore.errors import ConfigError
from kdcore.records.decisions import Tagged
from kdcore.records.reviews import TagCount
from kdcore.services.workspace import App
from kdcore.store import tags as tag_store

MAX_CHARACTERS = 60


def name_of(text: str, what: str) -> str:
    """A name as it is kept; raises ConfigError for an empty or overlong one."""
    name = " ".join(text.split())
    if not name or len(name) > MAX_CHARACTERS:
        raise ConfigError(f"{what} needs a name of 1 to {MAX_CHARACTERS} characters (given {len(name)}).")
    return name


def tag(app: App, project_id: str, selection: Selection, name: str, reviewer: str, *, present: bool = True) -> int:
    """Put a tag on all that is selected, or take it off; returns how many changed. ``undo`` takes it back."""
    name = name_of(name, "a tag")
    changed = tag_store.untagged(app.store, project_id, selection, name, present=present)
    if changed:
        _record(app, project_id, name, changed, reviewer, present=present)
    return len(changed)


def tag_one(app: App, project_id: str, sample_id: str, name: str, reviewer: str, *, present: bool = True) -> int:
    """Put a tag on one sample, or take it off."""
    return tag(app, project_id, IsOneOf(sample_ids=(sample_id,)), name, reviewer, present=present)


def _record(
    app: App, project_id: str, name: str, changed: list[str], reviewer: str, *, present: bool, undoes: str = ""
) -> None:
    app.decide(
        Tagged(
            batch_id=ids.new_event_id(),
            project_id=project_id,
            tag=name,
            present=present,
            sample_ids=tuple(changed),
            undoes=undoes,
            reviewer=reviewer,
            created=time.time(),
        )
    )


def undo(app: App, project_id: str, reviewer: str) -> str | None:
    """Take back the reviewer's latest batch of tags; returns the tag, None where there is none left."""
    last = tag_store.last_batch(app.store, project_id, reviewer)
    if last is None:
        return None
    turned = not last["present"]
    _record(app, project_id, last["tag"], last["sample_ids"], reviewer, present=turned, undoes=last["batch_id"])
    return last["tag"]


def tags(app: App, project_id: str) -> list[TagCount]:
    """Tags of a project with their samples, most used first."""
    return tag_store.tag_counts(app.store, project_id)


def tags_of(app: App, sample_id: str) -> list[str]:
    """Tags of one sample."""
    return tag_store.tags_of(app.store, sample_id)
