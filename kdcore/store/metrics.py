"""Points of curves: what a training reports at each step and evaluation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kdcore.records.rows import METRIC, schema
from kdcore.records.runs import NewPoint, Point
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor


def insert(tx: Cursor, run_id: str, rows: Sequence[NewPoint]) -> None:
    """Add points of curves."""
    if not rows:
        return
    tx.register("incoming", pa.Table.from_pylist([{"run_id": run_id, **row} for row in rows], schema=schema(METRIC)))
    tx.execute(f"INSERT INTO metrics ({', '.join(METRIC)}) SELECT * FROM incoming")
    tx.unregister("incoming")


def curves(store: Store, run_ids: list[str], names: list[str] | None = None) -> list[Point]:
    """Points of the curves of some runs; where attempts overlap, the latest attempt's point wins."""
    sql = """
        SELECT run_id, split, name, step, arg_max(value, attempt) AS value, arg_max(time, attempt) AS time
        FROM metrics
        WHERE run_id IN (SELECT unnest(?))
        """
    values: list[Any] = [run_ids]
    if names is not None:
        sql, values = sql + " AND name IN (SELECT unnest(?))", [*values, names]
    return store.records(Point, sql + " GROUP BY 1, 2, 3, 4 ORDER BY run_id, split, name, step", values)


def last_heldout(store: Store, run_id: str) -> dict[str, float]:
    """The last value of each measure on held-out rows."""
    found = store.rows(
        """
        SELECT name, arg_max(value, step * 1000.0 + attempt) AS value
        FROM metrics
        WHERE run_id = ? AND split = 'heldout'
        GROUP BY 1
        ORDER BY 1
        """,
        [run_id],
    )
    return {row["name"]: row["value"] for row in found}
