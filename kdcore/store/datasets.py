"""Frozen dataset versions: which samples, with which text, in which split."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kdcore.configs.selection import Selection, mentions
from kdcore.jobs.parquet import strings
from kdcore.records.datasets import (
    Candidate,
    Change,
    CountedVersion,
    FrozenRow,
    Provenance,
    Source,
    Version,
)
from kdcore.records.decisions import DatasetFrozen
from kdcore.records.rows import FROZEN
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor
from kdcore.store.selection import compile_selection

ROWS = pa.schema([("dataset_id", pa.string()), *FROZEN.items()])


def _eligible(project_id: str, selection: Selection, *, rejected: bool = False) -> tuple[str, list[Any]]:
    """Selected, usable or accepted by people, not rejected, or only what is.

    Judgements only where the selection asks for them by role; an answer without any words never.
    """
    sql, values = compile_selection(selection)
    if not mentions(selection, "role"):
        sql += " AND coalesce(s.role, 'answer') = 'answer'"
    return (
        f"""
        FROM samples s LEFT JOIN current_reviews r USING (sample_id)
        LEFT JOIN (SELECT seed_id, any_value(fields) AS fields FROM seeds GROUP BY 1) d USING (seed_id)
        WHERE s.project_id = ?
            AND (s.status = 'parsed' OR r.action IN ('accept', 'edit'))
            AND (coalesce(r.action, '') = 'reject') = ?
            AND trim(coalesce(r.answer, nullif(s.answer, ''), s.completion)) <> ''
            AND {sql}
        """,
        [project_id, rejected, *values],
    )


def count_candidates(store: Store, project_id: str, selection: Selection, *, rejected: bool = False) -> int:
    """Number of samples that may enter a version, or of those that people rejected."""
    where, values = _eligible(project_id, selection, rejected=rejected)
    return int(store.scalar(f"SELECT count(*) {where}", values))


def candidates(store: Store, project_id: str, selection: Selection, *, rejected: bool = False) -> list[Candidate]:
    """Samples that may enter a version, or those that people rejected, with the text people settled on.

    The last edit holds until it is undone, also when a later accept confirms it; ``edited`` tells whether the text
    is another than the teacher's.
    """
    where, values = _eligible(project_id, selection, rejected=rejected)
    return store.records(
        Candidate,
        f"""
        SELECT s.sample_id, coalesce(r.question, s.question) AS question,
            coalesce(r.answer, nullif(s.answer, ''), s.completion) AS answer, s.rationale, s.group_key, s.topic,
            (coalesce(r.answer, s.answer) <> s.answer
                OR coalesce(r.question, s.question) <> s.question) AS edited,
            coalesce(
                json_extract_string(nullif(s.extra, ''), '$.split'),
                json_extract_string(nullif(d.fields, ''), '$.split')
            ) AS own_split
        {where}
        ORDER BY s.sample_id
        """,
        values,
    )


def add(tx: Cursor, version: DatasetFrozen, rows: Sequence[FrozenRow]) -> None:
    """Insert a version and its rows; a version that is there already is left alone."""
    if tx.execute("SELECT 1 FROM datasets WHERE dataset_id = ?", [version.dataset_id]).fetchone():
        return
    tx.execute(
        "INSERT INTO datasets VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            version.dataset_id,
            version.project_id,
            version.name,
            version.version,
            version.selection,
            json.dumps(version.config),
            version.sha256,
            version.row_count,
            version.created,
            version.file_sha256,
        ],
    )
    tx.register(
        "incoming", pa.Table.from_pylist([{"dataset_id": version.dataset_id, **row} for row in rows], schema=ROWS)
    )
    tx.execute("INSERT INTO dataset_rows SELECT * FROM incoming")
    tx.unregister("incoming")


def count(store: Store, project_id: str) -> int:
    """How many versions a project has."""
    return int(store.scalar("SELECT count(*) FROM datasets WHERE project_id = ?", [project_id]))


def list_datasets(store: Store, project_id: str) -> list[CountedVersion]:
    """Versions of a project, newest first, with the rows of each split."""
    return store.records(
        CountedVersion,
        """
        SELECT d.*, count(*) FILTER (r.split = 'train') AS train,
            count(*) FILTER (r.split = 'heldout') AS heldout,
            count(*) FILTER (r.split = 'rejected') AS rejected, count(*) FILTER (r.edited) AS edited
        FROM datasets d
        LEFT JOIN dataset_rows r USING (dataset_id)
        WHERE d.project_id = ?
        GROUP BY ALL
        ORDER BY d.created DESC, d.version DESC
        """,
        [project_id],
        parsed=["config"],
    )


def frozen(store: Store) -> list[DatasetFrozen]:
    """Every version of the workspace as it was logged."""
    found = store.records(Version, "SELECT * FROM datasets ORDER BY created", parsed=["config"])
    return [DatasetFrozen(**row) for row in found]


def get(store: Store, dataset_id: str) -> Version | None:
    """One version, or None."""
    return store.record(Version, "SELECT * FROM datasets WHERE dataset_id = ?", [dataset_id], parsed=["config"])


def main_teacher(store: Store, dataset_id: str) -> str | None:
    """The model that wrote most of a version's rows."""
    return store.scalar(
        """
        SELECT s.teacher
        FROM dataset_rows d
        JOIN samples s USING (sample_id)
        WHERE d.dataset_id = ?
        GROUP BY 1
        ORDER BY count(*) DESC, 1
        LIMIT 1
        """,
        [dataset_id],
    )


def sources(store: Store, dataset_ids: list[str]) -> list[Source]:
    """Teacher and terms of what some versions teach, with the number of rows."""
    return store.records(
        Source,
        """
        SELECT s.teacher, s.terms, count(*) AS rows
        FROM dataset_rows r
        JOIN samples s USING (sample_id)
        WHERE r.dataset_id IN (SELECT unnest(?)) AND r.split <> 'rejected'
        GROUP BY ALL
        ORDER BY rows DESC, 1, 2
        """,
        [dataset_ids],
    )


def labels(store: Store, dataset_id: str) -> dict[str, list[str]]:
    """What a version's training rows can be narrowed by: their topics, teachers, tags, and the picks they are in."""
    one = store.one(
        """
        WITH own AS (SELECT sample_id FROM dataset_rows WHERE dataset_id = ? AND split = 'train')
        SELECT (
            SELECT list(DISTINCT s.topic ORDER BY s.topic)
            FROM samples s
            JOIN own USING (sample_id)
            WHERE s.topic <> ''
        ) AS topics,
            (
                SELECT list(DISTINCT s.teacher ORDER BY s.teacher)
                FROM samples s
                JOIN own USING (sample_id)
            ) AS teachers,
            (SELECT list(DISTINCT t.tag ORDER BY t.tag) FROM current_tags t JOIN own USING (sample_id)) AS tags,
            (
                SELECT list(DISTINCT v.filter ORDER BY v.filter)
                FROM current_verdicts v
                JOIN own USING (sample_id)
                WHERE v.kind = 'pick'
            ) AS picks
        """,
        [dataset_id],
    )
    return {name: list(values or []) for name, values in (one or {}).items()}


def provenance(store: Store, sample_ids: list[str]) -> list[Provenance]:
    """Teacher, terms, prompt version and method of some samples, with their number, most first."""
    return store.records(
        Provenance,
        """
        SELECT s.teacher, s.terms, p.name || ' v' || p.version AS prompt, p.method, count(*) AS rows
        FROM samples s
        LEFT JOIN prompt_versions p USING (prompt_version_id)
        WHERE s.sample_id IN (SELECT unnest(?))
        GROUP BY ALL
        ORDER BY rows DESC, s.teacher, prompt
        """,
        [sample_ids],
    )


def decided(store: Store, sample_ids: list[str]) -> dict[str, int]:
    """How many of some samples people accepted or mended, by their decision as it stands now."""
    found = store.rows(
        """
        SELECT action, count(*) AS rows
        FROM current_reviews
        WHERE action IN ('accept', 'edit') AND sample_id IN (SELECT unnest(?))
        GROUP BY 1
        ORDER BY 1
        """,
        [sample_ids],
    )
    return {row["action"]: row["rows"] for row in found}


def held_out_questions(store: Store, project_id: str) -> list[dict[str, str]]:
    """``sample_id`` and ``question`` of every row that a version of the project holds out."""
    return store.rows(
        """
        SELECT r.sample_id, any_value(r.question) AS question
        FROM dataset_rows r
        JOIN datasets d USING (dataset_id)
        WHERE d.project_id = ? AND r.split = 'heldout'
        GROUP BY 1
        ORDER BY 1
        """,
        [project_id],
    )


def selected_ids(store: Store, dataset_id: str, selection: Selection) -> set[str]:
    """Sample ids of a version's rows that a selection holds."""
    sql, values = compile_selection(selection)
    found = store.table(
        f"""
        SELECT s.sample_id
        FROM samples s
        JOIN dataset_rows d USING (sample_id)
        WHERE d.dataset_id = ? AND {sql}
        """,
        [dataset_id, *values],
    )
    return set(strings(found["sample_id"]))


def diff(store: Store, old: str, new: str) -> list[Change]:
    """What changed between two versions: ``change`` is added, dropped or edited."""
    return store.records(
        Change,
        """
        SELECT coalesce(n.sample_id, o.sample_id) AS sample_id,
            CASE WHEN o.sample_id IS NULL THEN 'added'
                WHEN n.sample_id IS NULL THEN 'dropped'
                ELSE 'edited' END AS change,
            coalesce(n.question, o.question) AS question, o.answer AS old_answer, n.answer AS new_answer
        FROM (SELECT * FROM dataset_rows WHERE dataset_id = ?) o
        FULL JOIN (SELECT * FROM dataset_rows WHERE dataset_id = ?) n ON n.sample_id = o.sample_id
        WHERE o.sample_id IS NULL OR n.sample_id IS NULL OR o.answer <> n.answer OR o.question <> n.question
        ORDER BY 2, 1
        """,
        [old, new],
    )
