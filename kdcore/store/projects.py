"""Projects, prompt versions and seeds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kdcore.records.decisions import (
    DataClassSet,
    Exported,
    ProgramsAllowed,
    ProjectMade,
    PromptVersionSaved,
    TermsDecided,
)
from kdcore.records.projects import DataPolicy, ExportEvent, Project, PromptContent, PromptVersion, TermsOverride
from kdcore.records.rows import SEED, schema
from kdcore.records.samples import Seed, SeedCount
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor


def add_project(tx: Cursor, project: ProjectMade, number: int) -> None:
    """Insert a project; an id that is there already is left alone."""
    tx.execute(
        """
        INSERT INTO projects (project_id, name, domain, created)
        SELECT ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM projects WHERE project_id = ?)
        """,
        [project.project_id, project.name, project.domain, project.created, project.project_id],
    )


def list_projects(store: Store) -> list[Project]:
    """All projects, oldest first."""
    return store.records(Project, "SELECT * FROM projects ORDER BY created")


def is_known(store: Store, project_id: str) -> bool:
    """Whether a project is in this workspace."""
    return bool(store.scalar("SELECT count(*) FROM projects WHERE project_id = ?", [project_id]))


def add_data_class(tx: Cursor, record: DataClassSet, number: int) -> None:
    """Add what a project's text is; an event that is there already is left alone."""
    tx.execute(
        """
        INSERT INTO data_classes (project_id, data_class, contract, created, seq)
        SELECT ?, ?, ?, ?, ?
        WHERE NOT EXISTS (
            SELECT 1 FROM data_classes WHERE project_id = ? AND created = ? AND data_class = ? AND contract = ?
        )
        """,
        [
            record.project_id,
            record.data_class,
            record.contract,
            record.created,
            number,
            record.project_id,
            record.created,
            record.data_class,
            record.contract,
        ],
    )


def data_class(store: Store, project_id: str) -> DataPolicy:
    """``{data_class, contract}`` as said last; internal text without a contract until someone says."""
    row = store.record(
        DataPolicy,
        "SELECT data_class, contract FROM data_classes WHERE project_id = ? ORDER BY seq DESC LIMIT 1",
        [project_id],
    )
    return row or {"data_class": "internal", "contract": ""}


def add_terms_override(tx: Cursor, record: TermsDecided, number: int) -> None:
    """Add a written decision about a teacher's terms; one that is there already is left alone."""
    tx.execute(
        """
        INSERT INTO terms_overrides (project_id, teacher, terms, who, why, created, seq)
        SELECT ?, ?, ?, ?, ?, ?, ?
        WHERE NOT EXISTS (
            SELECT 1 FROM terms_overrides WHERE project_id = ? AND created = ? AND teacher = ? AND terms = ?
        )
        """,
        [
            record.project_id,
            record.teacher,
            record.terms,
            record.who,
            record.why,
            record.created,
            number,
            record.project_id,
            record.created,
            record.teacher,
            record.terms,
        ],
    )


def terms_overrides(store: Store, project_id: str) -> list[TermsOverride]:
    """The written decisions of a project, oldest first: teacher, terms (an entry's id), who, why, created."""
    return store.records(
        TermsOverride, "SELECT * FROM terms_overrides WHERE project_id = ? ORDER BY seq", [project_id]
    )


def allow_programs(tx: Cursor, record: ProgramsAllowed, number: int) -> None:
    """Note that programs may run; those that may already are left alone."""
    tx.execute(
        """
        INSERT INTO allowed_programs
        SELECT ?, program, ?, ? FROM (SELECT unnest(?) AS program)
        WHERE program NOT IN (SELECT program FROM allowed_programs WHERE project_id = ?)
        """,
        [record.project_id, record.who, number, list(record.programs), record.project_id],
    )


def allowed_programs(store: Store, project_id: str) -> set[str]:
    """The sha256 of the programs that may run for a project."""
    rows = store.rows("SELECT program FROM allowed_programs WHERE project_id = ?", [project_id])
    return {row["program"] for row in rows}


def add_export(tx: Cursor, record: Exported, number: int) -> None:
    """Note what left; an event that is there already is left alone."""
    tx.execute(
        """
        INSERT INTO exports SELECT ?, ?, ?, ?, ?, ?, ?, ? WHERE NOT EXISTS (SELECT 1 FROM exports WHERE seq = ?)
        """,
        [
            record.project_id, record.what, record.form, record.rows, record.to, record.who, record.created, number,
            number,
        ],
    )  # fmt: skip


def exports(store: Store, project_id: str) -> list[ExportEvent]:
    """What left a project, the newest first."""
    return store.records(
        ExportEvent,
        "SELECT what, form, rows, target, who, created FROM exports WHERE project_id = ? ORDER BY seq DESC",
        [project_id],
    )


def add_prompt_version(tx: Cursor, version: PromptVersionSaved, number: int) -> None:
    """Insert an immutable prompt version; an id that is there already is left alone."""
    tx.execute(
        """
        INSERT INTO prompt_versions (prompt_version_id, project_id, name, version, method, content, note, created)
        SELECT ?, ?, ?, ?, ?, ?, ?, ?
        WHERE NOT EXISTS (SELECT 1 FROM prompt_versions WHERE prompt_version_id = ?)
        """,
        [
            version.prompt_version_id,
            version.project_id,
            version.name,
            version.version,
            version.method,
            version.content,
            version.note,
            version.created,
            version.prompt_version_id,
        ],
    )


def list_prompt_versions(store: Store, project_id: str) -> list[PromptVersion]:
    """Prompt versions of a project, newest first, with the number of rows made by each."""
    return store.records(
        PromptVersion,
        """
        SELECT p.*, coalesce(c.rows, 0) AS rows, coalesce(c.parsed, 0) AS parsed
        FROM prompt_versions p
        LEFT JOIN (
            SELECT prompt_version_id, count(*) AS rows, count(*) FILTER (status = 'parsed') AS parsed
            FROM samples
            GROUP BY 1
        ) c
            ON c.prompt_version_id = p.prompt_version_id
        WHERE p.project_id = ?
        ORDER BY p.created DESC, p.version DESC
        """,
        [project_id],
        parsed=["content"],
    )


def prompt_content(store: Store, prompt_version_id: str) -> PromptContent | None:
    """The template of a prompt version as it was saved, None where there is no such version."""
    text = store.scalar("SELECT content FROM prompt_versions WHERE prompt_version_id = ?", [prompt_version_id])
    return json.loads(text) if text else None


def insert_seeds(tx: Cursor, rows: Sequence[Seed]) -> None:
    """Insert seeds whose id is new, in one statement."""
    unique = list({row["seed_id"]: row for row in rows}.values())
    tx.register("incoming", pa.Table.from_pylist(unique, schema=schema(SEED)))
    tx.execute(
        f"""
        INSERT INTO seeds ({", ".join(SEED)})
        SELECT {", ".join(SEED)}
        FROM incoming i
        WHERE NOT EXISTS (SELECT 1 FROM seeds s WHERE s.seed_id = i.seed_id)
        """
    )
    tx.unregister("incoming")


def seeds_of_run(store: Store, run_id: str) -> int:
    """Seeds that one import brought in; those that were there already belong to an earlier one."""
    return int(store.scalar("SELECT count(*) FROM seeds WHERE run_id = ?", [run_id]))


def count_seeds(store: Store, project_id: str) -> list[SeedCount]:
    """Seeds of a project by kind and topic."""
    return store.records(
        SeedCount,
        """
        SELECT kind, topic, count(*) AS rows
        FROM seeds
        WHERE project_id = ?
        GROUP BY 1, 2
        ORDER BY 1, 3 DESC, 2
        """,
        [project_id],
    )


def list_seeds(
    store: Store,
    project_id: str,
    kind: str = "question",
    topics: list[str] | None = None,
    limit: int | None = None,
) -> list[dict[str, str]]:
    """Seeds in the form that ``build_requests`` takes: seed_id and text fields. Spread over topics."""
    some = "" if topics is None else "AND topic IN (SELECT unnest(?))"
    sql = f"""
        SELECT seed_id, text, source, topic, difficulty, reader, group_key, fields
        FROM (
            SELECT *, row_number() OVER (PARTITION BY topic ORDER BY seed_id) AS place
            FROM seeds
            WHERE project_id = ? AND kind = ? {some})
        ORDER BY place, topic, seed_id
        {"" if limit is None else "LIMIT ?"}
        """
    values: list[Any] = [project_id, kind, *([] if topics is None else [topics]), *([] if limit is None else [limit])]
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
