"""What workers are given to read: selected rows as Parquet files, never all in memory."""

from __future__ import annotations

from pathlib import Path

from kdcore.configs.selection import Selection
from kdcore.records.rows import VerdictKey
from kdcore.store.engine.db import Store
from kdcore.store.samples import where_of

# which text places a sample on a map; an empty part leaves no empty line
_TEXTS = {
    "question": "coalesce(s.question, '')",
    "answer": "coalesce(s.answer, '')",
    "question_answer": "concat_ws(chr(10), nullif(s.question, ''), nullif(s.answer, ''))",
}


def write_texts(store: Store, project_id: str, selection: Selection, text: str, path: Path) -> None:
    """Write ``sample_id`` and ``text`` of the selected rows to a Parquet file, never all in memory."""
    where, values = where_of(project_id, selection)
    store.write(f"SELECT s.sample_id, {_TEXTS[text]} AS text {where} ORDER BY s.created, s.sample_id", values, path)


def write_pairs(store: Store, project_id: str, selection: Selection, path: Path) -> None:
    """Write what checks look at to a Parquet file: the text as people left it, and what rests beside it.

    ``known`` lists ``filter:basis`` of the checks' verdicts that were given since the last edit.
    """
    where, values = where_of(project_id, selection)
    store.write(
        f"""
        SELECT s.sample_id, coalesce(r.question, s.question) AS question,
            coalesce(r.answer, s.answer) AS answer, s.source, s.seed_id, s.entropy,
            json_extract_string(nullif(d.fields, ''), '$.gold') AS gold, v.known
        FROM (SELECT s.* {where}) s
        LEFT JOIN current_reviews r USING (sample_id)
        LEFT JOIN seeds d USING (seed_id)
        LEFT JOIN (
            SELECT v.sample_id, list(v.filter || ':' || v.basis) AS known
            FROM current_verdicts v
            LEFT JOIN (
                SELECT sample_id, max(created) AS changed
                FROM reviews
                WHERE action IN ('edit', 'undo')
                GROUP BY 1
            ) e USING (sample_id)
            WHERE v.kind = 'check' AND (e.changed IS NULL OR v.created > e.changed)
            GROUP BY 1
        ) v USING (sample_id)
        ORDER BY s.created, s.sample_id
        """,
        values,
        path,
    )


_LAYERS = {"topic": "s.topic", "difficulty": "s.difficulty", "reader": "s.reader", "teacher": "s.teacher"}
_AMOUNTS = {"entropy": "s.entropy", "tokens": "CAST(s.completion_tokens AS DOUBLE)"}


def write_pool(
    store: Store, project_id: str, selection: Selection, map_run: str, layer: str, score: str, path: Path
) -> None:
    """Write what selectors go by: ``sample_id``, ``layer``, ``score`` (a check's, entropy or tokens; else NULL)."""
    where, values = where_of(project_id, selection)
    store.write(
        f"""
        SELECT s.sample_id, coalesce(CAST({_LAYERS.get(layer, "p.cluster")} AS VARCHAR), '') AS layer,
            CAST({_AMOUNTS.get(score, "v.score")} AS DOUBLE) AS score
        FROM (SELECT s.* {where}) s
        LEFT JOIN (SELECT sample_id, cluster FROM placements WHERE run_id = ?) p USING (sample_id)
        LEFT JOIN (SELECT sample_id, score FROM current_verdicts WHERE kind = ? AND filter = ?) v USING (sample_id)
        ORDER BY s.created, s.sample_id
        """,
        [*values, map_run, *VerdictKey.parse(score)],
        path,
    )
