"""Runs: what was started, with which config."""

from __future__ import annotations

import json

from kdcore.records.decisions import RunNamed
from kdcore.records.runs import Run
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor


def add(store: Store, run: Run) -> None:
    """Record a run; one that is there already is left alone."""
    with store.transaction() as tx:
        tx.execute(
            "INSERT INTO runs SELECT ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM runs WHERE run_id = ?)",
            [
                run["run_id"],
                run["project_id"],
                run["kind"],
                json.dumps(run["config"], ensure_ascii=False),
                run["created"],
                run["run_id"],
            ],
        )


def list_runs(store: Store, project_id: str | None = None, kind: str | None = None) -> list[Run]:
    """Runs, newest first, with their config parsed."""
    sql, values = "SELECT * FROM runs WHERE TRUE", list[str]()
    if project_id is not None:
        sql, values = sql + " AND project_id = ?", [*values, project_id]
    if kind is not None:
        sql, values = sql + " AND kind = ?", [*values, kind]
    return store.records(Run, sql + " ORDER BY created DESC, run_id DESC", values, parsed=["config"])


def get(store: Store, run_id: str) -> Run | None:
    """One run, or None."""
    return store.record(Run, "SELECT * FROM runs WHERE run_id = ?", [run_id], parsed=["config"])


def ran_here(store: Store, teacher: str) -> bool:
    """Whether a model has answered on this machine, not by an endpoint."""
    return bool(
        store.scalar(
            """
            SELECT count(*)
            FROM runs
            WHERE kind = 'generate' AND json_extract_string(config, '$.teacher.model') = ?
                AND json_extract_string(config, '$.teacher.engine') IN ('vllm', 'transformers')
            """,
            [teacher],
        )
    )


def add_name(tx: Cursor, named: RunNamed, number: int) -> None:
    """Keep a name that somebody gave; an event counts once."""
    tx.execute(
        "INSERT INTO run_names SELECT ?, ?, ?, ? "
        "WHERE NOT EXISTS (SELECT 1 FROM run_names WHERE run_id = ? AND name = ? AND seq = ?)",
        [named.project_id, named.run_id, named.name, number, named.run_id, named.name, number],
    )


def given_names(store: Store, project_id: str) -> dict[str, str]:
    """The name that people gave each run of a project, as it was given last."""
    rows = store.rows(
        "SELECT run_id, arg_max(name, seq) AS name FROM run_names WHERE project_id = ? GROUP BY 1", [project_id]
    )
    return {row["run_id"]: row["name"] for row in rows}
