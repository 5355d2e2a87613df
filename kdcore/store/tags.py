"""Words that people put on samples. Events, only ever added; the newest of a sample and tag holds."""

from __future__ import annotations

from pathlib import Path

from kdcore.configs.selection import Selection
from kdcore.jobs.parquet import strings
from kdcore.records.decisions import Tagged
from kdcore.records.reviews import TagBatch, TagCount
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor
from kdcore.store.selection import compile_selection


def add(tx: Cursor, batch: Tagged, number: int) -> None:
    """Put a tag on a batch's samples or take it off; a batch that is there already is left alone."""
    if tx.execute("SELECT 1 FROM tags WHERE batch_id = ? LIMIT 1", [batch.batch_id]).fetchone():
        return
    tx.execute(
        """
        INSERT INTO tags (batch_id, sample_id, project_id, reviewer, tag, undoes, present, seq, created)
        SELECT ?, unnest(?), ?, ?, ?, ?, ?, ?, ?
        """,
        [
            batch.batch_id,
            list(batch.sample_ids),
            batch.project_id,
            batch.reviewer,
            batch.tag,
            batch.undoes,
            batch.present,
            number,
            batch.created,
        ],
    )


def untagged(store: Store, project_id: str, selection: Selection, tag: str, *, present: bool) -> list[str]:
    """Selected samples whose state would change if the tag were put on (``present``) or taken off."""
    sql, values = compile_selection(selection)
    found = store.table(
        f"""
        SELECT s.sample_id
        FROM samples s
        WHERE s.project_id = ? AND {sql}
            AND (s.sample_id IN (SELECT sample_id FROM current_tags WHERE tag = ?)) <> ?
        ORDER BY s.sample_id
        """,
        [project_id, *values, tag, present],
    )
    return strings(found["sample_id"])


def last_batch(store: Store, project_id: str, reviewer: str) -> TagBatch | None:
    """The reviewer's latest batch of tags that is neither undone nor an undo, with its samples."""
    return store.record(
        TagBatch,
        """
        SELECT batch_id, tag, any_value(present) AS present, list(sample_id) AS sample_ids
        FROM tags t
        WHERE project_id = ? AND reviewer = ? AND undoes = ''
            AND NOT EXISTS (SELECT 1 FROM tags u WHERE u.undoes = t.batch_id)
        GROUP BY 1, 2
        ORDER BY max(seq) DESC
        LIMIT 1
        """,
        [project_id, reviewer],
    )


def tag_counts(store: Store, project_id: str) -> list[TagCount]:
    """Tags of a project with their samples, most used first."""
    return store.records(
        TagCount,
        """
        SELECT tag, count(*) AS rows
        FROM current_tags
        WHERE project_id = ?
        GROUP BY 1
        ORDER BY 2 DESC, 1
        """,
        [project_id],
    )


def tags_of(store: Store, sample_id: str) -> list[str]:
    """Tags of one sample."""
    found = store.rows("SELECT tag FROM current_tags WHERE sample_id = ? ORDER BY 1", [sample_id])
    return [row["tag"] for row in found]


def tagged(store: Store, project_id: str, tag: str) -> list[str]:
    """Samples that have a tag."""
    found = store.rows(
        "SELECT sample_id FROM current_tags WHERE project_id = ? AND tag = ? ORDER BY 1", [project_id, tag]
    )
    return [row["sample_id"] for row in found]


def write_marked(store: Store, project_id: str, yes: str, no: str, path: Path) -> None:
    """Write the rows that have one of two tags to a Parquet file: ``sample_id`` and ``has``; of both, yes wins."""
    store.write(
        """
        SELECT sample_id, bool_or(tag = ?) AS has
        FROM current_tags
        WHERE project_id = ? AND tag IN (?, ?)
        GROUP BY 1
        ORDER BY 1
        """,
        [yes, project_id, yes, no],
        path,
    )
