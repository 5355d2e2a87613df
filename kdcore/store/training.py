"""What a training run did with each row: the rows of every step with their loss, and what the student said."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from kdcore.store.db import Store
from kdcore.store.migrations import Cursor

STEPS = pa.schema(
    [
        ("run_id", pa.string()),
        ("attempt", pa.int32()),
        ("step", pa.int32()),
        ("sample_id", pa.string()),
        ("slice", pa.int32()),
        ("loss", pa.float64()),
    ]
)
ANSWERS = pa.schema(
    [
        ("run_id", pa.string()),
        ("attempt", pa.int32()),
        ("step", pa.int32()),
        ("sample_id", pa.string()),
        ("completion", pa.string()),
    ]
)
# A step that was made again after a kill counts once: what its latest attempt says holds.
_LATEST = (
    "SELECT * FROM train_rows t WHERE run_id = ? AND attempt = (SELECT max(attempt) FROM train_rows u "
    "WHERE u.run_id = t.run_id AND u.step = t.step)"
)


def insert_steps(tx: Cursor, run_id: str, bodies: list[dict[str, Any]]) -> None:
    """Add the rows of some steps."""
    rows = [
        {"run_id": run_id, "attempt": b["attempt"], "step": b["step"]}
        | dict(zip(("sample_id", "slice", "loss"), row, strict=True))
        for b in bodies
        for row in b["rows"]
    ]
    _insert(tx, "train_rows", pa.Table.from_pylist(rows, schema=STEPS))


def insert_answers(tx: Cursor, run_id: str, bodies: list[dict[str, Any]]) -> None:
    """Add what the student said at some evaluations."""
    names = ("attempt", "step", "sample_id", "completion")
    rows = [{"run_id": run_id, **{name: body[name] for name in names}} for body in bodies]
    _insert(tx, "train_answers", pa.Table.from_pylist(rows, schema=ANSWERS))


def _insert(tx: Cursor, table: str, rows: pa.Table) -> None:
    tx.register("incoming", rows)
    tx.execute(f"INSERT INTO {table} SELECT * FROM incoming")
    tx.unregister("incoming")


def rows_of_step(store: Store, run_id: str, step: int) -> list[dict[str, Any]]:
    """``sample_id``, ``slice``, ``loss``, question and answer of the rows of one step, the highest loss first."""
    return store.rows(
        f"SELECT t.sample_id, t.slice, t.loss, s.question, s.answer, s.topic FROM ({_LATEST} AND step = ?) t "
        "LEFT JOIN samples s USING (sample_id) ORDER BY t.loss DESC, t.sample_id",
        [run_id, step],
    )


def hardest(store: Store, run_id: str, limit: int = 20) -> list[dict[str, Any]]:
    """Rows that the student still found hardest when it last met them, with their first and last loss."""
    return store.rows(
        f"SELECT t.sample_id, arg_min(t.loss, t.step) AS first, arg_max(t.loss, t.step) AS last, count(*) AS times, "
        f"any_value(s.question) AS question, any_value(s.topic) AS topic FROM ({_LATEST}) t "
        "LEFT JOIN samples s USING (sample_id) GROUP BY 1 ORDER BY 3 DESC, 1 LIMIT ?",
        [run_id, limit],
    )


def losses_of(store: Store, sample_id: str) -> list[dict[str, Any]]:
    """For each training run that met a sample: how often, and its first and last loss."""
    return store.rows(
        "SELECT run_id, count(DISTINCT step) AS times, arg_min(loss, step) AS first, arg_max(loss, step) AS last "
        "FROM train_rows WHERE sample_id = ? GROUP BY 1 ORDER BY 1",
        [sample_id],
    )


def answers(store: Store, run_id: str, dataset_ids: list[str]) -> list[dict[str, Any]]:
    """What the student said at each evaluation beside the frozen reference, by sample and step."""
    return store.rows(
        "SELECT a.sample_id, a.step, arg_max(a.completion, a.attempt) AS completion, "
        "any_value(d.question) AS question, any_value(d.answer) AS reference FROM train_answers a "
        "LEFT JOIN dataset_rows d ON d.sample_id = a.sample_id AND d.dataset_id IN (SELECT unnest(?)) "
        "WHERE a.run_id = ? GROUP BY 1, 2 ORDER BY 1, 2",
        [dataset_ids, run_id],
    )
