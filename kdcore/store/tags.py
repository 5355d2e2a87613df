"""What people put on samples and views besides decisions: tags and saved views. Events, only ever added."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from kdcore.configs.selection import Selection
from kdcore.store.engine.db import Store
from kdcore.store.selection import compile_selection


def add_tags(store: Store, batch: dict[str, Any]) -> int:
    """Put a tag on a batch's ``sample_ids`` or take it off; a batch that is there already is left alone."""
    with store.transaction() as tx:
        if tx.execute("SELECT 1 FROM tags WHERE batch_id = ? LIMIT 1", [batch["batch_id"]]).fetchone():
            return 0
        tx.execute(
            "INSERT INTO tags (batch_id, sample_id, project_id, reviewer, tag, undoes, present, created, seq) SELECT "
            "?, i, ?, ?, ?, ?, ?, ?, (SELECT coalesce(max(seq), 0) + 1 FROM tags) FROM (SELECT unnest(?) AS i)",
            [
                *(batch["batch_id"], batch["project_id"], batch["reviewer"], batch["tag"]),
                *(batch.get("undoes", ""), batch["present"], batch["created"], batch["sample_ids"]),
            ],
        )
    return len(batch["sample_ids"])


def untagged(store: Store, project_id: str, selection: Selection, tag: str, *, present: bool) -> list[str]:
    """Selected samples whose state would change if the tag were put on (``present``) or taken off."""
    sql, values = compile_selection(selection)
    found = store.table(
        f"SELECT s.sample_id FROM samples s WHERE s.project_id = ? AND {sql} AND (s.sample_id IN "
        "(SELECT sample_id FROM current_tags WHERE tag = ?)) <> ? ORDER BY s.sample_id",
        [project_id, *values, tag, present],
    )
    return found["sample_id"].to_pylist()


def last_batch(store: Store, project_id: str, reviewer: str) -> dict[str, Any] | None:
    """The reviewer's latest batch of tags that is neither undone nor an undo, with its samples."""
    return store.one(
        "SELECT batch_id, tag, any_value(present) AS present, list(sample_id) AS sample_ids FROM tags t "
        "WHERE project_id = ? AND reviewer = ? AND undoes = '' AND NOT EXISTS "
        "(SELECT 1 FROM tags u WHERE u.undoes = t.batch_id) GROUP BY 1, 2 ORDER BY max(seq) DESC LIMIT 1",
        [project_id, reviewer],
    )


def tag_counts(store: Store, project_id: str) -> list[dict[str, Any]]:
    """Tags of a project with their samples, most used first."""
    return store.rows(
        "SELECT tag, count(*) AS rows FROM current_tags WHERE project_id = ? GROUP BY 1 ORDER BY 2 DESC, 1",
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


def add_view(store: Store, view: dict[str, Any]) -> None:
    """Save a view under its name, or forget it; one event of a time counts once."""
    with store.transaction() as tx:
        tx.execute(
            "INSERT INTO views SELECT ?, ?, ?, ?, ?, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM views WHERE project_id = ? AND name = ? AND created = ?)",
            [
                *(view["project_id"], view["name"], view["query"], view["reviewer"], view["present"]),
                *(view["created"], view["project_id"], view["name"], view["created"]),
            ],
        )


def saved_views(store: Store, project_id: str) -> list[dict[str, Any]]:
    """Views of a project by name, each as it was saved last."""
    return store.rows(
        "SELECT name, arg_max(query, created) AS query, arg_max(reviewer, created) AS reviewer FROM views "
        "WHERE project_id = ? GROUP BY 1 HAVING arg_max(present, created) ORDER BY 1",
        [project_id],
    )


def write_marked(store: Store, project_id: str, yes: str, no: str, path: Path) -> None:
    """Write the rows that have one of two tags to a Parquet file: ``sample_id`` and ``has``; of both, yes wins."""
    store.write(
        "SELECT sample_id, bool_or(tag = ?) AS has FROM current_tags WHERE project_id = ? AND tag IN (?, ?) "
        "GROUP BY 1 ORDER BY 1",
        [yes, project_id, yes, no],
        path,
    )


def most_unsure(store: Store, project_id: str, signal: str, tags: list[str], limit: int) -> list[str]:
    """Unmarked samples whose score is nearest to one half: what to ask a person about next."""
    found = store.rows(
        "SELECT v.sample_id FROM current_verdicts v JOIN samples s USING (sample_id) WHERE s.project_id = ? "
        "AND v.filter = ? AND v.sample_id NOT IN (SELECT sample_id FROM current_tags WHERE tag IN "
        "(SELECT unnest(?))) ORDER BY abs(v.score - 0.5), v.sample_id LIMIT ?",
        [project_id, signal, tags, limit],
    )
    return [row["sample_id"] for row in found]
