"""How runs did in each part of a project's questions, and which questions of a part lack a usable answer."""

from __future__ import annotations

from kdcore.records.figures import PartShare
from kdcore.records.rows import VerdictKey
from kdcore.store.engine.db import Store

_PARTS = {
    "topic": ("coalesce(s.topic, '')", ""),
    "cluster": (
        "c.title || ' (' || c.cluster || ')'",  # two groups may have the same title
        """
        JOIN placements p ON p.sample_id = s.sample_id AND p.run_id = ?
        JOIN titled_clusters c ON c.run_id = p.run_id AND c.cluster = p.cluster
        """,
    ),
}
_USABLE = "s.status = 'parsed' AND coalesce(r.action, '') <> 'reject'"


def by_part(store: Store, run_ids: list[str], by: str, map_run: str, check: str) -> list[PartShare]:
    """``[{part, run_id, rows, usable, score}]``: rows of each run in each topic or cluster.

    Usable rows are parsed and not rejected by people; ``score`` is the mean of a check's score, NULL without one.
    """
    part, join = _PARTS[by]
    return store.records(
        PartShare,
        f"""
        SELECT {part} AS part, s.run_id, count(*) AS rows, count(*) FILTER ({_USABLE}) AS usable,
            avg(v.score) AS score
        FROM samples s {join}LEFT JOIN current_reviews r ON r.sample_id = s.sample_id
        LEFT JOIN (SELECT sample_id, score FROM current_verdicts WHERE kind = ? AND filter = ?) v
            ON v.sample_id = s.sample_id
        WHERE s.run_id IN (SELECT unnest(?))
        GROUP BY 1, 2
        ORDER BY 1, 2
        """,
        [*([map_run] if join else []), *VerdictKey.parse(check), run_ids],
    )


def seeds_of_parts(store: Store, project_id: str, parts: list[str], map_run: str) -> set[str]:
    """Seeds that have a row in some clusters of a map."""
    part, join = _PARTS["cluster"]
    found = store.rows(
        f"""
        SELECT DISTINCT s.seed_id
        FROM samples s {join}WHERE s.project_id = ? AND {part} IN (SELECT unnest(?))
        """,
        [map_run, project_id, parts],
    )
    return {row["seed_id"] for row in found}


def answered(store: Store, run_ids: list[str]) -> set[str]:
    """Seeds with a usable answer in any of some runs."""
    found = store.rows(
        f"""
        SELECT DISTINCT s.seed_id
        FROM samples s
        LEFT JOIN current_reviews r USING (sample_id)
        WHERE {_USABLE} AND s.run_id IN (SELECT unnest(?))
        """,
        [run_ids],
    )
    return {row["seed_id"] for row in found}
