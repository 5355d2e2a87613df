"""Samples: insert, page, count, facet, look up. Paging is by keys first, then the wide columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa

from kdcore.configs.selection import Selection, found_ids
from kdcore.jobs.parquet import strings
from kdcore.records.figures import Bar, CoverageCell, Facet, FirstAnswer, Grown, LossReason
from kdcore.records.reviews import Review, SampleVerdict
from kdcore.records.rows import AS_FOUND, FACETS, NUMBERS, SAMPLE, SORTS, schema
from kdcore.records.samples import InVersion, Lineage, NewSample, PromptName, Sample, SampleAnswer, Seed
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor
from kdcore.store.selection import compile_selection


def insert(tx: Cursor, rows: Sequence[NewSample]) -> int:
    """Insert rows whose sample_id is new; a better outcome replaces an earlier failed one."""
    if not rows:
        return 0
    unique = list({row["sample_id"]: row for row in rows}.values())
    tx.register("incoming", pa.Table.from_pylist(unique, schema=schema(SAMPLE)))
    tx.execute(
        """
        DELETE
        FROM samples
        WHERE status = 'failed' AND sample_id IN (SELECT sample_id FROM incoming WHERE status <> 'failed')
        """
    )
    names = ", ".join(SAMPLE)
    tx.execute(
        f"""
        INSERT INTO samples ({names})
        SELECT {names}
        FROM incoming i
        WHERE NOT EXISTS (SELECT 1 FROM samples s WHERE s.sample_id = i.sample_id)
        """
    )
    tx.unregister("incoming")
    return len(unique)


def where_of(project_id: str, selection: Selection) -> tuple[str, list[Any]]:
    """``FROM samples s WHERE …`` of a selection, and its values."""
    sql, values = compile_selection(selection)
    return f"FROM samples s WHERE s.project_id = ? AND {sql}", [project_id, *values]


def count(store: Store, project_id: str, selection: Selection) -> int:
    """Number of samples selected."""
    where, values = where_of(project_id, selection)
    return int(store.scalar(f"SELECT count(*) {where}", values))


def keys(
    store: Store,
    project_id: str,
    selection: Selection,
    sort: str = "created",
    descending: bool = False,
    limit: int | None = None,
    offset: int = 0,
) -> list[str]:
    """Sample ids in order."""
    where, values = where_of(project_id, selection)
    found = found_ids(selection) if sort == AS_FOUND else None
    by = "list_position(?, s.sample_id)" if found else f"s.{sort if sort in SORTS else 'created'}"
    sql = f"""
    SELECT s.sample_id {where}
    ORDER BY {by} {"DESC" if descending else "ASC"} NULLS LAST, s.sample_id
    """
    values += [list(found)] if found else []
    if limit is not None:
        sql += " LIMIT ? OFFSET ?"
        values += [limit, offset]
    return strings(store.table(sql, values)["sample_id"])


_WIDE = """
    SELECT s.*, r.action AS review, r.question AS edited_question, r.answer AS edited_answer, r.note AS note,
        r.reviewer AS reviewer
    FROM samples s
    LEFT JOIN current_reviews r ON r.sample_id = s.sample_id
    """


def by_ids(store: Store, sample_ids: list[str]) -> list[Sample]:
    """Whole samples with their current review, in the order asked for; unknown ids are left out."""
    rows = store.records(
        Sample, _WIDE + "WHERE s.sample_id IN (SELECT unnest(?))", [sample_ids], parsed=["messages", "extra"]
    )
    found = {row["sample_id"]: row for row in rows}
    return [found[key] for key in sample_ids if key in found]


def page(store: Store, project_id: str, selection: Selection, **order: Any) -> list[Sample]:
    """One page of whole samples."""
    return by_ids(store, keys(store, project_id, selection, **order))


def facets(store: Store, project_id: str, selection: Selection, limit: int = 30) -> dict[str, list[Facet]]:
    """Counts by value for each facet column, largest first."""
    where, values = where_of(project_id, selection)
    sets = ", ".join(f"({name})" for name in FACETS)
    grouping = ", ".join(f"s.{name}" for name in FACETS)
    rows = store.rows(
        f"""
        SELECT {grouping}, count(*) AS rows, grouping({", ".join(f"s.{n}" for n in FACETS)}) AS level {where}
        GROUP BY GROUPING SETS ({sets.replace("(", "(s.")})
        """,
        values,
    )
    result: dict[str, list[Facet]] = {name: [] for name in FACETS}
    for row in rows:
        position = _position(row["level"], len(FACETS))
        name = FACETS[position]
        result[name].append({"value": row[name], "rows": row["rows"]})
    return {
        name: sorted(found, key=lambda f: (-f["rows"], str(f["value"])))[:limit] for name, found in result.items()
    }


def _position(level: int, width: int) -> int:
    """Which column a grouping-set row is about: the only one whose grouping bit is 0."""
    return next(i for i in range(width) if not (level >> (width - 1 - i)) & 1)


def status_counts(store: Store, project_id: str, run_id: str | None = None) -> dict[str, int]:
    """Rows by status: the funnel of a project or of one run."""
    sql = "SELECT status, count(*) AS rows FROM samples WHERE project_id = ?"
    values: list[Any] = [project_id]
    if run_id is not None:
        sql += " AND run_id = ?"
        values.append(run_id)
    return {row["status"]: row["rows"] for row in store.rows(sql + " GROUP BY status", values)}


def count_requests(store: Store, run_id: str) -> int:
    """Requests of a run that have a row at least."""
    return int(store.scalar("SELECT count(DISTINCT request_id) FROM samples WHERE run_id = ?", [run_id]))


def count_of_run(store: Store, run_id: str) -> int:
    """Rows of a run."""
    return int(store.scalar("SELECT count(*) FROM samples WHERE run_id = ?", [run_id]))


def failed_requests(store: Store, run_id: str) -> list[str]:
    """Requests of a run that ended as failed."""
    found = store.table("SELECT DISTINCT request_id FROM samples WHERE run_id = ? AND status = 'failed'", [run_id])
    return strings(found["request_id"])


def loss_reasons(store: Store, run_id: str) -> list[LossReason]:
    """Why rows of a run were lost, largest first."""
    return store.records(
        LossReason,
        """
        SELECT status, reason, count(*) AS rows
        FROM samples
        WHERE run_id = ? AND status <> 'parsed'
        GROUP BY 1, 2
        ORDER BY 3 DESC, 1, 2
        LIMIT 50
        """,
        [run_id],
    )


def histogram(store: Store, project_id: str, selection: Selection, column: str, bins: int = 24) -> list[Bar]:
    """Counts in ``bins`` equal steps of a numeric column: ``[{low, high, rows}]``."""
    if column not in NUMBERS:
        return []
    where, values = where_of(project_id, selection)
    low_high = store.one(f"SELECT min(s.{column}) AS low, max(s.{column}) AS high {where}", values)
    if not low_high or low_high["low"] is None:
        return []
    low, high = float(low_high["low"]), float(low_high["high"])
    width = (high - low) / bins or 1.0
    rows = store.rows(
        f"""
        SELECT least(CAST(floor((s.{column} - ?) / ?) AS INTEGER), ?) AS bin,
            count(*) AS rows {where} AND s.{column} IS NOT NULL
        GROUP BY 1
        ORDER BY 1
        """,
        [low, width, bins - 1, *values],
    )
    return [{"low": low + r["bin"] * width, "high": low + (r["bin"] + 1) * width, "rows": r["rows"]} for r in rows]


def lineage(store: Store, sample_id: str) -> Lineage:
    """Every ancestor and descendant of a sample: prompt version, run, seed, datasets, trainings, evaluations."""
    return {
        "prompt": store.record(
            PromptName,
            """
            SELECT p.prompt_version_id, p.name, p.version
            FROM prompt_versions p
            JOIN samples s USING (prompt_version_id)
            WHERE s.sample_id = ?
            """,
            [sample_id],
        ),
        "seed": store.record(
            Seed,
            "SELECT d.* FROM seeds d JOIN samples s ON s.seed_id = d.seed_id WHERE s.sample_id = ?",
            [sample_id],
        ),
        "datasets": store.records(
            InVersion,
            """
            SELECT d.dataset_id, d.name, d.version, r.split
            FROM dataset_rows r
            JOIN datasets d USING (dataset_id)
            WHERE r.sample_id = ?
            ORDER BY d.created
            """,
            [sample_id],
        ),
        "verdicts": store.records(
            SampleVerdict, "SELECT * FROM current_verdicts WHERE sample_id = ? ORDER BY kind, filter", [sample_id]
        ),
        "reviews": store.records(Review, "SELECT * FROM reviews WHERE sample_id = ? ORDER BY seq", [sample_id]),
        "evaluations": store.records(
            SampleAnswer,
            """
            SELECT run_id, candidate, completion, measures
            FROM eval_items
            WHERE sample_id = ?
            ORDER BY 1, 2
            """,
            [sample_id],
        ),
    }


def coverage(store: Store, project_id: str, run_id: str | None, across: str) -> list[CoverageCell]:
    """Rows and usable rows by topic and another column: ``[{topic, value, rows, usable}]``."""
    column = {"difficulty": "difficulty", "reader": "reader"}[across]
    return store.records(
        CoverageCell,
        f"""
        SELECT topic, {column} AS value, count(*) AS rows, count(*) FILTER (status = 'parsed') AS usable
        FROM samples
        WHERE project_id = ? AND (? IS NULL OR run_id = ?)
        GROUP BY 1, 2
        ORDER BY 1, 2
        """,
        [project_id, run_id, run_id],
    )


def grown(store: Store, run_id: str, seeds: int) -> list[Grown]:
    """Rows of the first seeds of a run in the order they were made, each with its seed's text."""
    return store.records(
        Grown,
        """
        SELECT s.sample_id, s.parent, s.question, s.status, s.reason,
            json_extract_string(nullif(s.extra, ''), '$.operator') AS operator,
            coalesce(d.text, s.seed_id) AS seed
        FROM samples s
        LEFT JOIN seeds d ON d.seed_id = s.seed_id
        WHERE s.run_id = ?
            AND s.seed_id IN (SELECT DISTINCT seed_id FROM samples WHERE run_id = ? ORDER BY seed_id LIMIT ?)
        ORDER BY s.seed_id, s.request_id, s.n
        """,
        [run_id, run_id, seeds],
    )


def first_answers(store: Store, run_id: str) -> dict[str, FirstAnswer]:
    """The first usable answer to each seed of a run."""
    rows = store.records(
        FirstAnswer,
        """
        SELECT seed_id, arg_min(question, n) AS question, arg_min(answer, n) AS answer
        FROM samples
        WHERE run_id = ? AND status = 'parsed'
        GROUP BY seed_id
        """,
        [run_id],
    )
    return {row["seed_id"]: row for row in rows}


def usable_texts(store: Store, run_id: str, limit: int) -> list[str]:
    """Usable answers of a run, a fixed choice of at most ``limit``."""
    rows = store.rows(
        """
        SELECT answer
        FROM samples
        WHERE run_id = ? AND status = 'parsed'
        ORDER BY hash(sample_id)
        LIMIT ?
        """,
        [run_id, limit],
    )
    return [row["answer"] for row in rows]
