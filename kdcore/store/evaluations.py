"""What candidates said to held-out questions, and the measures of each answer."""

from __future__ import annotations

import json
from collections.abc import Sequence

import pyarrow as pa

from kdcore.records.journal import EvalItemRecord
from kdcore.records.rows import EVAL_ITEM, schema
from kdcore.records.runs import EvalItem
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor


def insert(tx: Cursor, run_id: str, records: Sequence[EvalItemRecord]) -> None:
    """Add answers and measures; an item that is there already is left alone."""
    if not records:
        return
    rows = [
        {
            "run_id": run_id,
            "sample_id": item.sample_id,
            "candidate": item.candidate,
            "completion": item.completion,
            "measures": json.dumps(item.measures),
            "created": item.time,
        }
        for item in records
    ]
    tx.register("incoming", pa.Table.from_pylist(rows, schema=schema(EVAL_ITEM)))
    tx.execute(
        """
        INSERT INTO eval_items
        SELECT * FROM incoming i
        WHERE NOT EXISTS (
            SELECT 1 FROM eval_items e
            WHERE e.run_id = i.run_id AND e.sample_id = i.sample_id AND e.candidate = i.candidate)
        """
    )
    tx.unregister("incoming")


def items(store: Store, run_id: str) -> list[EvalItem]:
    """Answers of one evaluation with the question and the reference."""
    return store.records(
        EvalItem,
        """
        SELECT e.sample_id, e.candidate, e.completion, e.measures, d.question, d.answer AS reference, s.topic
        FROM eval_items e
        JOIN runs r USING (run_id)
        LEFT JOIN samples s USING (sample_id)
        LEFT JOIN dataset_rows d
            ON d.sample_id = e.sample_id AND d.dataset_id = json_extract_string(r.config, '$.dataset_id')
        WHERE e.run_id = ?
        ORDER BY e.sample_id, e.candidate
        """,
        [run_id],
        parsed=["measures"],
    )
