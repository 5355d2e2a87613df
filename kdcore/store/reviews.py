"""What people decide about samples: events that are only added; undo is an event too."""

from __future__ import annotations

from kdcore.configs.selection import Selection
from kdcore.jobs.parquet import strings
from kdcore.records.decisions import Reviewed, ReviewedMany
from kdcore.records.reviews import AskedReview, Review
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor
from kdcore.store.selection import compile_selection


def add(tx: Cursor, event: Reviewed, number: int) -> None:
    """Add one event; one whose id was applied already (a double click, a replay) is left alone."""
    tx.execute(
        """
        INSERT INTO reviews
            (event_id, sample_id, project_id, reviewer, action, question, answer, note, undoes, created, seq)
        SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?
        WHERE NOT EXISTS (SELECT 1 FROM reviews WHERE event_id = ?)
        """,
        [
            event.event_id,
            event.sample_id,
            event.project_id,
            event.reviewer,
            event.action,
            event.question,
            event.answer,
            event.note,
            event.undoes,
            event.created,
            number,
            event.event_id,
        ],
    )


def add_many(tx: Cursor, batch: ReviewedMany, number: int) -> None:
    """Add one event for each of a batch's samples; those that are there already are left alone.

    An event's id is ``batch id:sample id``, so undoing a batch names each event that it takes back.
    """
    tx.execute(
        """
        INSERT INTO reviews
            (event_id, sample_id, project_id, reviewer, action, question, answer, note, undoes, created, seq)
        SELECT ? || ':' || i, i, ?, ?, ?, NULL, NULL, ?, CASE WHEN ? <> '' THEN ? || ':' || i END, ?, ?
        FROM (SELECT unnest(?) AS i)
        WHERE NOT EXISTS (SELECT 1 FROM reviews r WHERE r.event_id = ? || ':' || i)
        """,
        [
            batch.batch_id,
            batch.project_id,
            batch.reviewer,
            batch.action,
            batch.note,
            batch.undoes,
            batch.undoes,
            batch.created,
            number,
            list(batch.sample_ids),
            batch.batch_id,
        ],
    )


def is_there(store: Store, event_id: str) -> bool:
    """Whether an event was applied: the second press of a double click is no conflict."""
    return bool(store.scalar("SELECT count(*) FROM reviews WHERE event_id = ?", [event_id]))


def in_batch(store: Store, batch_id: str) -> list[str]:
    """Samples of a batch's events."""
    found = store.table("SELECT sample_id FROM reviews WHERE starts_with(event_id, ? || ':')", [batch_id])
    return strings(found["sample_id"])


def last_event(store: Store, project_id: str, reviewer: str) -> Review | None:
    """The reviewer's latest decision that is not undone: what undo would take back."""
    return store.record(
        Review,
        """
        SELECT *
        FROM reviews r
        WHERE project_id = ? AND reviewer = ? AND action <> 'undo'
            AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.action = 'undo' AND u.undoes = r.event_id)
        ORDER BY seq DESC, event_id
        LIMIT 1
        """,
        [project_id, reviewer],
    )


def recent(store: Store, project_id: str, limit: int = 10) -> list[AskedReview]:
    """The latest decisions, newest first."""
    return store.records(
        AskedReview,
        """
        SELECT r.*, s.question AS asked
        FROM reviews r
        LEFT JOIN samples s USING (sample_id)
        WHERE r.project_id = ?
        ORDER BY seq DESC, event_id
        LIMIT ?
        """,
        [project_id, limit],
    )


def progress(store: Store, project_id: str, selection: Selection) -> dict[str, int]:
    """Samples of a selection by current decision; ``pending`` are those without one."""
    sql, values = compile_selection(selection)
    rows = store.rows(
        f"""
        SELECT coalesce(r.action, 'pending') AS state, count(*) AS rows
        FROM samples s
        LEFT JOIN current_reviews r USING (sample_id)
        WHERE s.project_id = ? AND {sql}
        GROUP BY 1
        """,
        [project_id, *values],
    )
    return {row["state"]: row["rows"] for row in rows}
