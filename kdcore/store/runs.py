"""Runs, their curves, verdicts and evaluation items."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa

from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor


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


def last_heldout(store: Store, run_id: str) -> dict[str, float]:
    """The last value of each measure on held-out rows."""
    found = store.rows(
        "SELECT name, arg_max(value, step * 1000.0 + attempt) AS value FROM metrics "
        "WHERE run_id = ? AND split = 'heldout' GROUP BY 1 ORDER BY 1",
        [run_id],
    )
    return {row["name"]: row["value"] for row in found}


VERDICTS = pa.schema(
    [
        ("run_id", pa.string()),
        ("sample_id", pa.string()),
        ("filter", pa.string()),
        ("passed", pa.bool_()),
        ("reason", pa.string()),
        ("score", pa.float64()),
        ("created", pa.float64()),
        ("related", pa.string()),
        ("basis", pa.string()),
    ]
)


def insert_verdicts(tx: Cursor, rows: list[dict[str, Any]]) -> None:
    """Add what filters said; what the same run has said already (a resume) is left alone."""
    if not rows:
        return
    tx.register("incoming", pa.Table.from_pylist(rows, schema=VERDICTS))
    names = ", ".join(VERDICTS.names)
    tx.execute(
        f"INSERT INTO verdicts ({names}) SELECT {names} FROM incoming i WHERE NOT EXISTS (SELECT 1 FROM verdicts v "
        "WHERE v.run_id = i.run_id AND v.sample_id = i.sample_id AND v.filter = i.filter)"
    )
    tx.unregister("incoming")


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


def _insert(tx: Cursor, table: str, schema: pa.Schema, rows: list[dict[str, Any]]) -> None:
    tx.register("incoming", pa.Table.from_pylist(rows, schema=schema))
    tx.execute(f"INSERT INTO {table} ({', '.join(schema.names)}) SELECT * FROM incoming")
    tx.unregister("incoming")
