"""The rows of a frozen version with where each came from: all at once, or a batch at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kdcore.records.datasets import VersionRow
from kdcore.store.engine.db import Store

_ROWS = """
    SELECT r.*, s.run_id, s.seed_id, s.topic, s.group_key, s.source, s.messages, s.prompt_version_id,
        s.teacher, s.question AS asked, s.answer AS given, s.completion, s.extra, s.terms, c.reviewer,
        d.passage, coalesce(
            d.licence,
            json_extract_string(nullif(s.extra, ''), '$.licence'),
            json_extract_string(nullif(s.extra, ''), '$.license')
        ) AS licence
    FROM dataset_rows r
    LEFT JOIN {samples} s USING (sample_id)
    LEFT JOIN current_reviews c USING (sample_id)
    LEFT JOIN (
        SELECT seed_id, any_value(CASE WHEN kind = 'document' THEN text END) AS passage,
            any_value(coalesce(
                json_extract_string(nullif(fields, ''), '$.licence'),
                json_extract_string(nullif(fields, ''), '$.license')
            )) AS licence
        FROM seeds
        WHERE kind = 'document' OR fields LIKE '%licen%'
        GROUP BY 1
    ) d ON d.seed_id = s.seed_id
    WHERE r.dataset_id = ?
    """
_EVERY_ROW = _ROWS.format(samples="samples")
# The bounds stand on both sides, so that no join ever holds more than one batch.
_BETWEEN = (
    _ROWS.format(samples="(SELECT * FROM samples WHERE sample_id > $2 AND sample_id <= $3)").replace("?", "$1")
    + " AND r.sample_id > $2 AND r.sample_id <= $3 AND r.split = $4 ORDER BY r.sample_id"
)


def rows_of(store: Store, dataset_id: str, split: str | None = None, *, rejected: bool = False) -> list[VersionRow]:
    """Rows of a version with where each came from; ``rejected`` brings the bad answers too, if it holds any."""
    sql, values = _EVERY_ROW, [dataset_id]
    if split is not None:
        sql, values = sql + " AND r.split = ?", [*values, split]
    elif not rejected:
        sql += " AND r.split <> 'rejected'"
    return store.records(VersionRow, sql + " ORDER BY r.split, r.sample_id", values)


def rows_by_batch(store: Store, dataset_id: str, splits: Sequence[str], size: int) -> Iterator[list[VersionRow]]:
    """The rows of some splits, split by split and in the order of their ids, ``size`` at a time."""
    for split in splits:
        last = ""
        while end := store.scalar(
            """
            SELECT max(sample_id)
            FROM (
                SELECT sample_id
                FROM dataset_rows
                WHERE dataset_id = ? AND split = ? AND sample_id > ?
                ORDER BY 1
                LIMIT ?
            )
            """,
            [dataset_id, split, last, size],
        ):
            yield store.records(VersionRow, _BETWEEN, [dataset_id, last, end, split])
            last = end
