"""What a training run did with each row: the rows of every step with their loss, and what the student said."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from kdcore.records.journal import TrainAnswerRecord, TrainStepRecord
from kdcore.records.rows import TRAIN_ANSWER, TRAIN_ROW, schema
from kdcore.records.runs import HardRow, Said, StepRow
from kdcore.records.samples import SampleLosses
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor

# A step that was made again after a kill counts once: what its latest attempt says holds.
_LATEST = """
    SELECT t.*
    FROM train_rows t
    JOIN (
        SELECT run_id, step, max(attempt) AS attempt
        FROM train_rows
        WHERE run_id IN (SELECT unnest(?))
        GROUP BY 1, 2
    ) USING (run_id, step, attempt)
    """


def insert_steps(tx: Cursor, run_id: str, records: Sequence[TrainStepRecord]) -> None:
    """Add the rows of some steps."""
    rows = [
        {"run_id": run_id, "attempt": step.attempt, "step": step.step}
        | {"sample_id": sample_id, "slice": part, "loss": loss}
        for step in records
        for sample_id, part, loss in step.rows
    ]
    _insert(tx, "train_rows", pa.Table.from_pylist(rows, schema=schema(TRAIN_ROW)))


def insert_answers(tx: Cursor, run_id: str, records: Sequence[TrainAnswerRecord]) -> None:
    """Add what the student said at some evaluations."""
    rows = [
        {"run_id": run_id, "attempt": said.attempt, "step": said.step}
        | {"sample_id": said.sample_id, "completion": said.completion}
        for said in records
    ]
    _insert(tx, "train_answers", pa.Table.from_pylist(rows, schema=schema(TRAIN_ANSWER)))


def _insert(tx: Cursor, table: str, rows: pa.Table) -> None:
    tx.register("incoming", rows)
    tx.execute(f"INSERT INTO {table} SELECT * FROM incoming")
    tx.unregister("incoming")


def rows_of_step(store: Store, run_id: str, step: int) -> list[StepRow]:
    """``sample_id``, ``slice``, ``loss``, question and answer of the rows of one step, the highest loss first."""
    return store.records(
        StepRow,
        f"""
        SELECT t.sample_id, t.slice, t.loss, s.question, s.answer, s.topic
        FROM ({_LATEST}) t
        LEFT JOIN samples s USING (sample_id)
        WHERE t.step = ?
        ORDER BY t.loss DESC, t.sample_id
        """,
        [[run_id], step],
    )


def hardest(store: Store, run_id: str, limit: int = 20) -> list[HardRow]:
    """Rows, by slice, that the student still found hardest when it last met them, with their first and last loss."""
    return store.records(
        HardRow,
        f"""
        SELECT t.sample_id, t.slice, arg_min(t.loss, t.step) AS first, arg_max(t.loss, t.step) AS last,
            count(*) AS times, any_value(s.question) AS question, any_value(s.topic) AS topic
        FROM ({_LATEST}) t
        LEFT JOIN samples s USING (sample_id)
        GROUP BY 1, 2
        ORDER BY last DESC, 1, 2
        LIMIT ?
        """,
        [[run_id], limit],
    )


def losses_of(store: Store, sample_id: str) -> list[SampleLosses]:
    """For each training run and slice that met a sample: how often, and its first and last loss."""
    found = store.rows("SELECT DISTINCT run_id FROM train_rows WHERE sample_id = ?", [sample_id])
    return store.records(
        SampleLosses,
        f"""
        SELECT run_id, slice, count(*) AS times, arg_min(loss, step) AS first, arg_max(loss, step) AS last
        FROM ({_LATEST})
        WHERE sample_id = ?
        GROUP BY 1, 2
        ORDER BY 1, 2
        """,
        [[row["run_id"] for row in found], sample_id],
    )


def answers(store: Store, run_id: str, dataset_ids: list[str], *, last: bool = False) -> list[Said]:
    """What the student said at each evaluation, or at the last, by sample and step.

    Question and answer are those of the first version that froze the sample.
    """
    return store.records(
        Said,
        """
        WITH said AS (
            SELECT sample_id, step, arg_max(completion, attempt) AS completion
            FROM train_answers
            WHERE run_id = ?
            GROUP BY 1, 2
        ),
            frozen AS (
                SELECT sample_id, arg_min(question, list_position(?, dataset_id)) AS question,
                    arg_min(answer, list_position(?, dataset_id)) AS reference
                FROM dataset_rows
                WHERE dataset_id IN (SELECT unnest(?))
                GROUP BY 1
            )
        SELECT said.*, frozen.question, frozen.reference, s.source
        FROM said
        LEFT JOIN frozen USING (sample_id)
        LEFT JOIN samples s USING (sample_id)
        WHERE NOT ? OR step = (SELECT max(step) FROM said)
        ORDER BY sample_id, step
        """,
        [run_id, dataset_ids, dataset_ids, dataset_ids, last],
    )
