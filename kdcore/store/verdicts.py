"""What checks, concepts, picks and reading teachers say of samples: events, only ever added; the newest holds.

At the end: which samples a check calls the same as another, and what decides which of them is kept.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from kdcore.configs.selection import Selection
from kdcore.records.figures import DuplicateMember, DuplicatePair
from kdcore.records.journal import VerdictRecord
from kdcore.records.reviews import VerdictCount
from kdcore.records.rows import VERDICT, VerdictKey, schema
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor
from kdcore.store.selection import compile_selection


def insert(tx: Cursor, run_id: str, records: Sequence[VerdictRecord]) -> None:
    """Add verdicts of a run; what the same run has said already (a resume) is left alone."""
    if not records:
        return
    rows = [
        {
            "run_id": run_id,
            "sample_id": verdict.sample_id,
            "kind": verdict.verdict_kind,
            "filter": verdict.filter,
            "passed": verdict.passed,
            "reason": verdict.reason,
            "score": verdict.score,
            "created": verdict.time,
            "related": verdict.related,
            "basis": verdict.basis,
        }
        for verdict in records
    ]
    tx.register("incoming", pa.Table.from_pylist(rows, schema=schema(VERDICT)))
    names = ", ".join(VERDICT)
    tx.execute(
        f"""
        INSERT INTO verdicts ({names})
        SELECT {names} FROM incoming i
        WHERE NOT EXISTS (
            SELECT 1 FROM verdicts v
            WHERE v.run_id = i.run_id AND v.sample_id = i.sample_id AND v.kind = i.kind AND v.filter = i.filter)
        """
    )
    tx.unregister("incoming")


def counts(store: Store, project_id: str) -> list[VerdictCount]:
    """Passed and failed samples of everything that judges: ``[{kind, filter, passed, failed}]``."""
    return store.records(
        VerdictCount,
        """
        SELECT v.kind, v.filter, count(*) FILTER (v.passed) AS passed, count(*) FILTER (NOT v.passed) AS failed
        FROM current_verdicts v JOIN samples s USING (sample_id)
        WHERE s.project_id = ?
        GROUP BY 1, 2
        ORDER BY 1, 2
        """,
        [project_id],
    )


def places_in_pick(store: Store, pick: str) -> dict[str, int]:
    """Sample → its place in a pick, the first chosen 0."""
    found = store.rows(
        "SELECT sample_id, score FROM current_verdicts WHERE kind = 'pick' AND filter = ?",
        [VerdictKey.parse(pick).filter],
    )
    return {row["sample_id"]: round(-row["score"]) for row in found}


def most_unsure(store: Store, project_id: str, key: VerdictKey, tags: list[str], limit: int) -> list[str]:
    """Samples without one of the tags whose score is nearest to one half: what to ask a person about next."""
    found = store.rows(
        """
        SELECT v.sample_id
        FROM current_verdicts v JOIN samples s USING (sample_id)
        WHERE s.project_id = ? AND v.kind = ? AND v.filter = ?
            AND v.sample_id NOT IN (SELECT sample_id FROM current_tags WHERE tag IN (SELECT unnest(?)))
        ORDER BY abs(v.score - 0.5), v.sample_id
        LIMIT ?
        """,
        [project_id, *key, tags, limit],
    )
    return [row["sample_id"] for row in found]


def duplicate_pairs(
    store: Store, project_id: str, selection: Selection, checks: Sequence[str]
) -> list[DuplicatePair]:
    """``[{sample_id, related}]``: selected samples, not rejected, with an earlier one of the same content."""
    sql, values = compile_selection(selection)
    return store.records(
        DuplicatePair,
        f"""
        SELECT DISTINCT v.sample_id, v.related
        FROM current_verdicts v
        JOIN samples s USING (sample_id)
        WHERE s.project_id = ? AND v.kind = 'check' AND v.filter IN (SELECT unnest(?)) AND NOT v.passed
            AND v.related <> '' AND {sql}
        ORDER BY 1, 2
        """,
        [project_id, list(checks), *values],
    )


def duplicate_members(store: Store, sample_ids: list[str]) -> list[DuplicateMember]:
    """What the choice of the kept one goes by, of each sample, oldest first."""
    return store.records(
        DuplicateMember,
        """
        SELECT s.sample_id, s.created, s.entropy, coalesce(r.action, 'pending') AS review,
            length(coalesce(r.answer, s.answer)) AS characters
        FROM samples s
        LEFT JOIN current_reviews r USING (sample_id)
        WHERE s.sample_id IN (SELECT unnest(?))
        ORDER BY s.created, s.sample_id
        """,
        [sample_ids],
    )
