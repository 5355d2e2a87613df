"""What the address bar held, under names that people gave. Events, only ever added; the newest of a name holds."""

from __future__ import annotations

from kdcore.records.decisions import ViewSaved
from kdcore.records.reviews import SavedView
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor


def add(tx: Cursor, view: ViewSaved, number: int) -> None:
    """Save a view under its name, or forget it; one event of a time counts once."""
    tx.execute(
        """
        INSERT INTO views (project_id, name, query, reviewer, present, created, seq)
        SELECT ?, ?, ?, ?, ?, ?, ?
        WHERE NOT EXISTS (
            SELECT 1 FROM views WHERE project_id = ? AND name = ? AND created = ? AND query = ? AND present = ?
        )
        """,
        [
            view.project_id,
            view.name,
            view.query,
            view.reviewer,
            view.present,
            view.created,
            number,
            view.project_id,
            view.name,
            view.created,
            view.query,
            view.present,
        ],
    )


def of_project(store: Store, project_id: str) -> list[SavedView]:
    """Views of a project by name, each as it was saved last."""
    return store.records(
        SavedView,
        """
        SELECT name, arg_max(query, seq) AS query, arg_max(reviewer, seq) AS reviewer
        FROM views
        WHERE project_id = ?
        GROUP BY 1
        HAVING arg_max(present, seq)
        ORDER BY 1
        """,
        [project_id],
    )
