"""Samples that checks call the same, and what decides which of them is kept."""

from __future__ import annotations

from collections.abc import Sequence

from kdcore.configs.selection import Selection
from kdcore.records.figures import DuplicateMember, DuplicatePair
from kdcore.store.engine.db import Store
from kdcore.store.selection import compile_selection


def pairs(store: Store, project_id: str, selection: Selection, checks: Sequence[str]) -> list[DuplicatePair]:
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


def members(store: Store, sample_ids: list[str]) -> list[DuplicateMember]:
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
