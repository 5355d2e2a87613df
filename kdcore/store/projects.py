"""Projects, prompt versions and seeds."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor


def add_project(store: Store, project: dict[str, Any]) -> None:
    """Insert a project; an id that is there already is left alone."""
    with store.transaction() as tx:
        _once(tx, "projects", "project_id", project, ("project_id", "name", "domain", "created"))


def list_projects(store: Store) -> list[dict[str, Any]]:
    """All projects, oldest first."""
    return store.rows("SELECT * FROM projects ORDER BY created")


def add_data_class(store: Store, record: dict[str, Any]) -> None:
    """Add what a project's text is; an event that is there already is left alone."""
    values = [record[name] for name in ("project_id", "data_class", "contract", "created")]
    with store.transaction() as tx:
        tx.execute(
            "INSERT INTO data_classes SELECT ?, ?, ?, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM data_classes WHERE project_id = ? AND created = ?)",
            [*values, values[0], values[3]],
        )


def data_class(store: Store, project_id: str) -> dict[str, Any]:
    """``{data_class, contract}`` as last said; internal text without a contract until someone says."""
    row = store.one(
        "SELECT data_class, contract FROM data_classes WHERE project_id = ? ORDER BY created DESC LIMIT 1",
        [project_id],
    )
    return row or {"data_class": "internal", "contract": ""}


def add_terms_override(store: Store, record: dict[str, Any]) -> None:
    """Add a written decision about a teacher's terms; one that is there already is left alone."""
    values = [record[name] for name in ("project_id", "teacher", "terms", "who", "why", "created")]
    with store.transaction() as tx:
        tx.execute(
            "INSERT INTO terms_overrides SELECT ?, ?, ?, ?, ?, ? WHERE NOT EXISTS "
            "(SELECT 1 FROM terms_overrides WHERE project_id = ? AND created = ?)",
            [*values, values[0], values[-1]],
        )


def terms_overrides(store: Store, project_id: str) -> list[dict[str, Any]]:
    """The written decisions of a project, oldest first: teacher, terms (an entry's id), who, why, created."""
    return store.rows("SELECT * FROM terms_overrides WHERE project_id = ? ORDER BY created", [project_id])


def add_prompt_version(store: Store, version: dict[str, Any]) -> None:
    """Insert an immutable prompt version; an id that is there already is left alone."""
    columns = ("prompt_version_id", "project_id", "name", "version", "method", "content", "note", "created")
    with store.transaction() as tx:
        _once(tx, "prompt_versions", "prompt_version_id", version, columns)


def list_prompt_versions(store: Store, project_id: str) -> list[dict[str, Any]]:
    """Prompt versions of a project, newest first, with the number of rows made by each."""
    rows = store.rows(
        "SELECT p.*, coalesce(c.rows, 0) AS rows, coalesce(c.parsed, 0) AS parsed FROM prompt_versions p "
        "LEFT JOIN (SELECT prompt_version_id, count(*) AS rows, "
        "count(*) FILTER (status = 'parsed') AS parsed FROM samples GROUP BY 1) c "
        "ON c.prompt_version_id = p.prompt_version_id WHERE p.project_id = ? ORDER BY p.created DESC, p.version DESC",
        [project_id],
    )
    return [{**row, "content": json.loads(row["content"])} for row in rows]


def prompt_content(store: Store, prompt_version_id: str) -> dict[str, Any] | None:
    """The template of a prompt version as it was saved, None where there is no such version."""
    text = store.scalar("SELECT content FROM prompt_versions WHERE prompt_version_id = ?", [prompt_version_id])
    return json.loads(text) if text else None


def _once(tx: Cursor, table: str, key: str, row: dict[str, Any], columns: tuple[str, ...]) -> None:
    marks = ", ".join("?" for _ in columns)
    tx.execute(
        f"INSERT INTO {table} ({', '.join(columns)}) SELECT {marks} "
        f"WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE {key} = ?)",
        [*(row[c] for c in columns), row[key]],
    )


SEEDS = pa.schema(
    [(name, pa.string()) for name in ("seed_id", "project_id", "kind", "text", "source", "topic", "difficulty")]
    + [(name, pa.string()) for name in ("reader", "group_key", "fields", "run_id")]
    + [("created", pa.float64())]
)


def insert_seeds(tx: Cursor, rows: list[dict[str, Any]]) -> None:
    """Insert seeds whose id is new, in one statement."""
    unique = list({row["seed_id"]: row for row in rows}.values())
    tx.register("incoming", pa.Table.from_pylist(unique, schema=SEEDS))
    tx.execute(
        f"INSERT INTO seeds ({', '.join(SEEDS.names)}) SELECT {', '.join(SEEDS.names)} FROM incoming i "
        "WHERE NOT EXISTS (SELECT 1 FROM seeds s WHERE s.seed_id = i.seed_id)"
    )
    tx.unregister("incoming")


def seeds_of_run(store: Store, run_id: str) -> int:
    """Seeds that one import brought in; those that were there already belong to an earlier one."""
    return int(store.scalar("SELECT count(*) FROM seeds WHERE run_id = ?", [run_id]))


def count_seeds(store: Store, project_id: str) -> list[dict[str, Any]]:
    """Seeds of a project by kind and topic."""
    return store.rows(
        "SELECT kind, topic, count(*) AS rows FROM seeds WHERE project_id = ? GROUP BY 1, 2 ORDER BY 1, 3 DESC, 2",
        [project_id],
    )


def list_seeds(
    store: Store,
    project_id: str,
    kind: str = "question",
    topics: list[str] | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Seeds in the form that ``build_requests`` takes: seed_id and text fields. Spread over topics."""
    sql = (
        "SELECT seed_id, text, source, topic, difficulty, reader, group_key, fields FROM "
        "(SELECT *, row_number() OVER (PARTITION BY topic ORDER BY seed_id) AS place FROM seeds "
        "WHERE project_id = ? AND kind = ?"
        + (" AND topic IN (SELECT unnest(?))" if topics is not None else "")
        + ") "
        "ORDER BY place, topic, seed_id"
    )
    values: list[Any] = [project_id, kind]
    if topics is not None:
        values.append(topics)
    if limit is not None:
        sql += " LIMIT ?"
        values.append(limit)
    return [
        {
            **json.loads(row["fields"]),
            "seed_id": row["seed_id"],
            "question": row["text"] if kind == "question" else "",
            "source": row["text"] if kind == "document" else row["source"] or "",
            "topic": row["topic"] or "",
            "difficulty": row["difficulty"] or "",
            "reader": row["reader"] or "",
            "group": row["group_key"] or "",
        }
        for row in store.rows(sql, values)
    ]
