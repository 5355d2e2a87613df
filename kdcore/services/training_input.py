"""What a training or evaluation run is given: frozen texts joined with the teacher's stored top-k."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kdcore.jobs import signals
from kdcore.services.app import App
from kdcore.store import datasets

SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("slice", pa.int32()),
        ("split", pa.string()),
        ("messages", pa.string()),
        ("completion", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("k", pa.int32()),
        ("topk_ids", pa.list_(pa.int32())),
        ("topk_logprobs", pa.list_(pa.float16())),
    ]
)


def write_input(app: App, path: Path, dataset_ids: list[str], split: str | None = None) -> pa.Table:
    """Write ``input.parquet``; slice i holds the rows of the i-th version. Returns the table."""
    rows: list[dict[str, Any]] = []
    for number, dataset_id in enumerate(dataset_ids):
        frozen = _with_completions(app, datasets.rows_of(app.store, dataset_id, split))
        stored = _signals(app, frozen)
        for row in frozen:
            signal = {} if row["edited"] else stored.get(row["sample_id"], {})
            rows.append(
                {
                    "sample_id": row["sample_id"],
                    "slice": number,
                    "split": row["split"],
                    "messages": row["messages"],
                    "completion": row["completion"],
                    "token_ids": signal.get("token_ids"),
                    "k": signal.get("k"),
                    "topk_ids": signal.get("topk_ids"),
                    "topk_logprobs": signal.get("topk_logprobs"),
                }
            )
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    pq.write_table(table, path, compression="zstd")
    return table


def _with_completions(app: App, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The text to learn: the teacher's reply as it was, or what a person made of it."""
    replies = {
        row["sample_id"]: row["completion"]
        for row in app.store.rows(
            "SELECT sample_id, completion FROM samples WHERE sample_id IN (SELECT unnest(?))",
            [[row["sample_id"] for row in rows]],
        )
    }
    for row in rows:
        if not row["edited"]:
            row["completion"] = replies[row["sample_id"]].strip()
        elif row["rationale"]:
            row["completion"] = f"Reasoning: {row['rationale']}\nAnswer: {row['answer']}"
        else:
            row["completion"] = row["answer"]
    return rows


def _signals(app: App, rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Stored top-k by sample, read only from the runs and for the samples that are needed."""
    wanted = pa.array([row["sample_id"] for row in rows], type=pa.string())
    found: dict[str, dict[str, Any]] = {}
    for run_id in sorted({row["run_id"] for row in rows if row["run_id"]}):
        for part in signals.parts(app.folders.runs / run_id):
            table = pq.read_table(part, columns=["sample_id", "token_ids", "k", "topk_ids", "topk_logprobs"])
            keep = pc.is_in(table["sample_id"], value_set=wanted)  # pyright: ignore[reportAttributeAccessIssue]
            for row in table.filter(keep).to_pylist():
                found[row["sample_id"]] = row
    return found
