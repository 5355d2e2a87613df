"""Views that people saved under a name: what the address bar held."""

from __future__ import annotations

import time

from kdcore.records.decisions import ViewSaved
from kdcore.records.reviews import SavedView
from kdcore.services.explore.tags import name_of
from kdcore.services.workspace import App
from kdcore.store import saved_views


def save(app: App, project_id: str, name: str, query: str, reviewer: str, *, present: bool = True) -> None:
    """Save what the address bar holds under a name, in place of an earlier view of that name."""
    app.decide(
        ViewSaved(
            project_id=project_id,
            name=name_of(name, "a view"),
            query=query,
            reviewer=reviewer,
            present=present,
            created=time.time(),
        )
    )


def of_project(app: App, project_id: str) -> list[SavedView]:
    """Saved views by name: ``[{name, query, reviewer}]``."""
    return saved_views.of_project(app.store, project_id)
