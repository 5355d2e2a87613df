"""Runs, their curves, maps, verdicts and evaluation items."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from kdcore.configs.selection import Selection
from kdcore.store.db import Store
from kdcore.store.migrations import Cursor
from kdcore.store.selection import compile_selection


def add(store: Store, run: dict[str, Any]) -> None:
    """Record a run; one that is there already is left alone."""
    with store.transaction() as tx:
        tx.execute(
            "INSERT INTO runs SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM runs WHERE run_id = ?)",
            [run["run_id"], run["project_id"], run["kind"], run["config"], run["created"], run["run_id"]],
        )


def list_runs(store: Store, project_id: str | None = None, kind: str | None = None) -> list[dict[str, Any]]:
    """Runs, newest first, with their config parsed."""
    sql, values = "SELECT * FROM runs WHERE TRUE", []
    if project_id is not None:
        sql, values = sql + " AND project_id = ?", [*values, project_id]
    if kind is not None:
        sql, values = sql + " AND kind = ?", [*values, kind]
    rows = store.rows(sql + " ORDER BY created DESC, run_id DESC", values)
    return [{**row, "config": json.loads(row["config"])} for row in rows]


def get(store: Store, run_id: str) -> dict[str, Any] | None:
    """One run, or None."""
    row = store.one("SELECT * FROM runs WHERE run_id = ?", [run_id])
    return {**row, "config": json.loads(row["config"])} if row else None


def ran_here(store: Store, teacher: str) -> bool:
    """Whether a model has answered on this machine, not by an endpoint."""
    return bool(
        store.scalar(
            "SELECT count(*) FROM runs WHERE kind = 'generate' "
            "AND json_extract_string(config, '$.teacher.model') = ? "
            "AND json_extract_string(config, '$.teacher.engine') IN ('vllm', 'transformers')",
            [teacher],
        )
    )


def newest_map(store: Store, project_id: str) -> str | None:
    """The newest map of a project that has points."""
    return store.scalar(
        "SELECT r.run_id FROM runs r WHERE r.project_id = ? AND r.kind = 'embed' AND EXISTS "
        "(SELECT 1 FROM placements p WHERE p.run_id = r.run_id) ORDER BY r.created DESC, r.run_id DESC LIMIT 1",
        [project_id],
    )


METRICS = pa.schema(
    [
        ("run_id", pa.string()),
        ("attempt", pa.int32()),
        ("step", pa.int32()),
        ("split", pa.string()),
        ("name", pa.string()),
        ("value", pa.float64()),
        ("time", pa.float64()),
    ]
)


def insert_metrics(tx: Cursor, run_id: str, rows: list[dict[str, Any]]) -> None:
    """Add points of curves."""
    if rows:
        _insert(tx, "metrics", METRICS, [{"run_id": run_id, **row} for row in rows])


def curves(store: Store, run_ids: list[str], names: list[str] | None = None) -> list[dict[str, Any]]:
    """Points of the curves of some runs; where attempts overlap, the latest attempt's point wins."""
    sql = (
        "SELECT run_id, split, name, step, arg_max(value, attempt) AS value, arg_max(time, attempt) AS time "
        "FROM metrics WHERE run_id IN (SELECT unnest(?))"
    )
    values: list[Any] = [run_ids]
    if names is not None:
        sql, values = sql + " AND name IN (SELECT unnest(?))", [*values, names]
    return store.rows(sql + " GROUP BY 1, 2, 3, 4 ORDER BY run_id, split, name, step", values)


VERDICTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("sample_id", pa.string()),
        ("filter", pa.string()),
        ("passed", pa.bool_()),
        ("reason", pa.string()),
        ("score", pa.float64()),
        ("created", pa.float64()),
    ]
)


def insert_verdicts(tx: Cursor, rows: list[dict[str, Any]]) -> None:
    """Add what filters said."""
    if rows:
        _insert(tx, "verdicts", VERDICTS, rows)


def verdict_counts(store: Store, project_id: str) -> list[dict[str, Any]]:
    """Passed and failed samples for each filter."""
    return store.rows(
        "SELECT v.filter, count(*) FILTER (v.passed) AS passed, count(*) FILTER (NOT v.passed) AS failed "
        "FROM current_verdicts v JOIN samples s USING (sample_id) WHERE s.project_id = ? GROUP BY 1 ORDER BY 1",
        [project_id],
    )


EVAL_ITEMS = pa.schema(
    [
        ("run_id", pa.string()),
        ("sample_id", pa.string()),
        ("role", pa.string()),
        ("completion", pa.string()),
        ("measures", pa.string()),
        ("created", pa.float64()),
    ]
)


def insert_eval_items(tx: Cursor, rows: list[dict[str, Any]]) -> None:
    """Add answers and measures; an item that is there already is left alone."""
    if not rows:
        return
    tx.register("incoming", pa.Table.from_pylist(rows, schema=EVAL_ITEMS))
    tx.execute(
        "INSERT INTO eval_items SELECT * FROM incoming i WHERE NOT EXISTS (SELECT 1 FROM eval_items e "
        "WHERE e.run_id = i.run_id AND e.sample_id = i.sample_id AND e.role = i.role)"
    )
    tx.unregister("incoming")


def eval_items(store: Store, run_id: str) -> list[dict[str, Any]]:
    """Answers of one evaluation with the question and the reference."""
    rows = store.rows(
        "SELECT e.sample_id, e.role, e.completion, e.measures, d.question, d.answer AS reference, s.topic "
        "FROM eval_items e JOIN runs r USING (run_id) LEFT JOIN samples s USING (sample_id) "
        "LEFT JOIN dataset_rows d ON d.sample_id = e.sample_id "
        "AND d.dataset_id = json_extract_string(r.config, '$.dataset_id') WHERE e.run_id = ? "
        "ORDER BY e.sample_id, e.role",
        [run_id],
    )
    return [{**row, "measures": json.loads(row["measures"])} for row in rows]


PLACEMENTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("sample_id", pa.string()),
        ("x", pa.float32()),
        ("y", pa.float32()),
        ("cluster", pa.int32()),
    ]
)


def insert_map(tx: Cursor, run_id: str, placements: pa.Table, titles: list[dict[str, Any]]) -> None:
    """Add one map as a whole; a map that is there already is left alone."""
    if tx.execute("SELECT 1 FROM placements WHERE run_id = ? LIMIT 1", [run_id]).fetchone():
        return
    tx.register("incoming", placements)
    tx.execute("INSERT INTO placements SELECT ?, sample_id, x, y, cluster FROM incoming", [run_id])
    tx.unregister("incoming")
    for row in titles:
        tx.execute("INSERT INTO clusters VALUES (?, ?, ?, ?)", [run_id, row["cluster"], row["title"], row["size"]])


RARE = 200


def map_points(
    store: Store, project_id: str, map_run: str, selection: Selection, limit: int = 50_000
) -> list[dict[str, Any]]:
    """Points of one map with what a hover shows; ``selected`` tells whether the selection holds.

    Of a larger map about ``limit`` points are drawn, always the same ones; a small group keeps RARE of its own,
    so that it stays to be seen.
    """
    sql, values = compile_selection(selection)
    total = int(store.scalar("SELECT count(*) FROM placements WHERE run_id = ?", [map_run]))
    share = min(1.0, limit / max(1, total))
    return store.rows(
        "SELECT p.sample_id, p.x, p.y, p.cluster, c.title, s.status, s.topic, s.difficulty, s.reader, s.entropy, "
        "s.prompt_version_id, coalesce(r.action, 'pending') AS review, left(s.question, 160) AS question, "
        f"left(s.answer, 200) AS answer, {sql} AS selected FROM placements p JOIN samples s USING (sample_id) "
        "LEFT JOIN clusters c ON c.run_id = p.run_id AND c.cluster = p.cluster "
        "LEFT JOIN current_reviews r ON r.sample_id = s.sample_id "
        "WHERE p.run_id = ? AND s.project_id = ? AND (? >= 1 OR hash(p.sample_id) / 18446744073709551615.0 "
        "< greatest(?, ? / greatest(coalesce(c.size, 1), 1))) ORDER BY p.cluster, p.sample_id",
        [*values, map_run, project_id, share, share, float(RARE)],
    )


def clusters(store: Store, map_run: str) -> list[dict[str, Any]]:
    """Clusters of a map with size and share accepted among the reviewed, largest first."""
    return store.rows(
        "SELECT c.cluster, c.title, c.size, count(*) FILTER (r.action IN ('accept', 'edit')) AS accepted, "
        "count(*) FILTER (r.action = 'reject') AS rejected FROM clusters c "
        "LEFT JOIN placements p ON p.run_id = c.run_id AND p.cluster = c.cluster "
        "LEFT JOIN current_reviews r ON r.sample_id = p.sample_id WHERE c.run_id = ? "
        "GROUP BY 1, 2, 3 ORDER BY 3 DESC, 1",
        [map_run],
    )


def _insert(tx: Cursor, table: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
    tx.register("incoming", pa.Table.from_pylist(rows, schema=schema))
    tx.execute(f"INSERT INTO {table} ({', '.join(schema.names)}) SELECT * FROM incoming")
    tx.unregister("incoming")
