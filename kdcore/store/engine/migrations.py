"""Numbered steps from an empty file to today's tables. A step that has run is never changed.

No keys or indexes on big tables: ids are deterministic and the ingester keeps them unique. Reviews,
verdicts and tags are events that are only ever added; what holds now is a view.
"""

from __future__ import annotations

from collections.abc import Callable

import duckdb

Cursor = duckdb.DuckDBPyConnection


def _first(tx: Cursor) -> None:
    for statement in _FIRST:
        tx.execute(statement)


_FIRST = [
    "CREATE TABLE projects (project_id VARCHAR, name VARCHAR, domain VARCHAR, created DOUBLE)",
    "CREATE TABLE prompt_versions (prompt_version_id VARCHAR, project_id VARCHAR, name VARCHAR, version INTEGER, "
    "method VARCHAR, content VARCHAR, note VARCHAR, created DOUBLE)",
    "CREATE TABLE seeds (seed_id VARCHAR, project_id VARCHAR, kind VARCHAR, text VARCHAR, source VARCHAR, "
    "topic VARCHAR, difficulty VARCHAR, reader VARCHAR, group_key VARCHAR, fields VARCHAR, run_id VARCHAR, "
    "created DOUBLE)",
    "CREATE TABLE runs (run_id VARCHAR, project_id VARCHAR, kind VARCHAR, config VARCHAR, created DOUBLE)",
    "CREATE TABLE ingest_offsets (run_id VARCHAR, file VARCHAR, position BIGINT)",
    "CREATE TABLE quarantine (run_id VARCHAR, file VARCHAR, position BIGINT, reason VARCHAR, line VARCHAR)",
    "CREATE TABLE samples (sample_id VARCHAR, request_id VARCHAR, run_id VARCHAR, project_id VARCHAR, "
    "prompt_version_id VARCHAR, seed_id VARCHAR, n INTEGER, status VARCHAR, reason VARCHAR, question VARCHAR, "
    "answer VARCHAR, rationale VARCHAR, source VARCHAR, topic VARCHAR, difficulty VARCHAR, reader VARCHAR, "
    "group_key VARCHAR, messages VARCHAR, completion VARCHAR, finish_reason VARCHAR, prompt_tokens INTEGER, "
    "completion_tokens INTEGER, teacher VARCHAR, entropy DOUBLE, captured_mass DOUBLE, created DOUBLE)",
    "CREATE TABLE reviews (event_id VARCHAR, sample_id VARCHAR, project_id VARCHAR, reviewer VARCHAR, "
    "action VARCHAR, question VARCHAR, answer VARCHAR, note VARCHAR, undoes VARCHAR, seq BIGINT, created DOUBLE)",
    "CREATE TABLE verdicts (run_id VARCHAR, sample_id VARCHAR, filter VARCHAR, passed BOOLEAN, reason VARCHAR, "
    "score DOUBLE, created DOUBLE)",
    "CREATE TABLE placements (run_id VARCHAR, sample_id VARCHAR, x FLOAT, y FLOAT, cluster INTEGER)",
    "CREATE TABLE clusters (run_id VARCHAR, cluster INTEGER, title VARCHAR, size INTEGER)",
    "CREATE TABLE datasets (dataset_id VARCHAR, project_id VARCHAR, name VARCHAR, version INTEGER, "
    "selection VARCHAR, config VARCHAR, sha256 VARCHAR, row_count INTEGER, created DOUBLE)",
    "CREATE TABLE dataset_rows (dataset_id VARCHAR, sample_id VARCHAR, split VARCHAR, question VARCHAR, "
    "answer VARCHAR, rationale VARCHAR, edited BOOLEAN)",
    "CREATE TABLE metrics (run_id VARCHAR, attempt INTEGER, step INTEGER, split VARCHAR, name VARCHAR, "
    "value DOUBLE, time DOUBLE)",
    "CREATE TABLE eval_items (run_id VARCHAR, sample_id VARCHAR, role VARCHAR, completion VARCHAR, "
    "measures VARCHAR, created DOUBLE)",
    # What a reviewer's events add up to: the last decision on a sample that was not undone.
    "CREATE VIEW current_reviews AS SELECT sample_id, arg_max(action, seq) AS action, "
    "arg_max(question, seq) AS question, arg_max(answer, seq) AS answer, arg_max(note, seq) AS note, "
    "arg_max(reviewer, seq) AS reviewer, max(created) AS created FROM reviews r "
    "WHERE action <> 'undo' AND NOT EXISTS (SELECT 1 FROM reviews u WHERE u.action = 'undo' "
    "AND u.undoes = r.event_id) GROUP BY sample_id",
    "CREATE VIEW current_verdicts AS SELECT sample_id, filter, arg_max(passed, created) AS passed, "
    "arg_max(reason, created) AS reason, arg_max(score, created) AS score FROM verdicts "
    "GROUP BY sample_id, filter",
]


def _second(tx: Cursor) -> None:
    """What rows grew from and carry, the terms of their teacher; what kind of text a project holds."""
    for column in ("parent VARCHAR", "extra VARCHAR", "terms VARCHAR", "mean_rank DOUBLE", "role VARCHAR"):
        tx.execute(f"ALTER TABLE samples ADD COLUMN {column}")
    tx.execute("CREATE TABLE data_classes (project_id VARCHAR, data_class VARCHAR, contract VARCHAR, created DOUBLE)")


def _third(tx: Cursor) -> None:
    """What a verdict points at and rests on; tags; saved views; groups of groups."""
    for column in ("related VARCHAR", "basis VARCHAR"):
        tx.execute(f"ALTER TABLE verdicts ADD COLUMN {column}")
    for column in ("parent INTEGER", "parent_title VARCHAR"):
        tx.execute(f"ALTER TABLE clusters ADD COLUMN {column}")
    for statement in _THIRD:
        tx.execute(statement)


_THIRD = [
    "CREATE OR REPLACE VIEW current_verdicts AS SELECT sample_id, filter, arg_max(passed, created) AS passed, "
    "arg_max(reason, created) AS reason, arg_max_null(score, created) AS score, "
    "arg_max(coalesce(related, ''), created) AS related, arg_max(coalesce(basis, ''), created) AS basis, "
    "max(created) AS created FROM verdicts GROUP BY sample_id, filter",
    "CREATE TABLE tags (batch_id VARCHAR, sample_id VARCHAR, project_id VARCHAR, reviewer VARCHAR, tag VARCHAR, "
    "undoes VARCHAR, present BOOLEAN, seq BIGINT, created DOUBLE)",
    "CREATE VIEW current_tags AS SELECT sample_id, tag, any_value(project_id) AS project_id FROM tags "
    "GROUP BY sample_id, tag HAVING arg_max(present, seq)",
    "CREATE TABLE views (project_id VARCHAR, name VARCHAR, query VARCHAR, reviewer VARCHAR, present BOOLEAN, "
    "created DOUBLE)",
]


def _fourth(tx: Cursor) -> None:
    """What a training did with each row, and what its student said on the way."""
    tx.execute(
        "CREATE TABLE train_rows (run_id VARCHAR, attempt INTEGER, step INTEGER, sample_id VARCHAR, slice INTEGER, "
        "loss DOUBLE)"
    )
    tx.execute(
        "CREATE TABLE train_answers (run_id VARCHAR, attempt INTEGER, step INTEGER, sample_id VARCHAR, "
        "completion VARCHAR)"
    )


def _fifth(tx: Cursor) -> None:
    """Titles that a teacher wrote for the groups of a map, beside the words that mark them."""
    tx.execute(
        "CREATE TABLE cluster_titles (map_run VARCHAR, cluster INTEGER, title VARCHAR, run_id VARCHAR, "
        "created DOUBLE)"
    )
    tx.execute(
        "CREATE VIEW titled_clusters AS SELECT c.run_id, c.cluster, coalesce(t.title, c.title) AS title, "
        "c.title AS words, c.size, c.parent, c.parent_title FROM clusters c LEFT JOIN (SELECT map_run, cluster, "
        "arg_max(title, created) AS title FROM cluster_titles GROUP BY 1, 2) t "
        "ON t.map_run = c.run_id AND t.cluster = c.cluster"
    )


def _sixth(tx: Cursor) -> None:
    """Written decisions to train on a teacher's answers although its terms do not plainly allow it."""
    tx.execute(
        "CREATE TABLE terms_overrides (project_id VARCHAR, teacher VARCHAR, terms VARCHAR, who VARCHAR, "
        "why VARCHAR, created DOUBLE)"
    )


def _seventh(tx: Cursor) -> None:
    """Verdicts have a kind, not a prefix; decisions are placed by their number in the log, never by a clock.

    What 0.1.0 numbered for itself gets numbers below zero, in the same order: it lies before all that is logged from
    now on.
    """
    for statement in _SEVENTH:
        tx.execute(statement)


_SEVENTH = [
    "CREATE TABLE decisions_head (number BIGINT, hash VARCHAR)",
    "CREATE TABLE decisions_waiting (number BIGINT, kind VARCHAR, reason VARCHAR)",
    "ALTER TABLE ingest_offsets ADD COLUMN seq BIGINT",
    "ALTER TABLE datasets ADD COLUMN file_sha256 VARCHAR DEFAULT ''",
    "ALTER TABLE eval_items RENAME COLUMN role TO candidate",
    "ALTER TABLE verdicts ADD COLUMN kind VARCHAR",
    """
    UPDATE verdicts SET
        kind = CASE
            WHEN starts_with(filter, 'pick: ') THEN 'pick'
            WHEN starts_with(filter, 'concept: ') THEN 'concept'
            WHEN starts_with(filter, 'likelihood: ') OR starts_with(filter, 'entropy: ') THEN 'likelihood'
            ELSE 'check' END,
        filter = CASE
            WHEN starts_with(filter, 'pick: ') THEN filter[7:]
            WHEN starts_with(filter, 'concept: ') THEN filter[10:]
            WHEN starts_with(filter, 'likelihood: ') THEN filter[13:]
            WHEN starts_with(filter, 'entropy: ') THEN filter[10:] || ' (entropy)'
            ELSE filter END
    """,
    """
    CREATE OR REPLACE VIEW current_verdicts AS
    SELECT sample_id, kind, filter, arg_max(passed, created) AS passed, arg_max(reason, created) AS reason,
        arg_max_null(score, created) AS score, arg_max(coalesce(related, ''), created) AS related,
        arg_max(coalesce(basis, ''), created) AS basis, max(created) AS created
    FROM verdicts
    GROUP BY sample_id, kind, filter
    """,
    "UPDATE reviews SET seq = seq - 1 - (SELECT max(seq) FROM reviews)",
    "UPDATE tags SET seq = seq - 1 - (SELECT max(seq) FROM tags)",
    *(
        statement
        for table in ("views", "data_classes", "terms_overrides")
        for statement in (
            f"ALTER TABLE {table} ADD COLUMN seq BIGINT",
            f"""
            UPDATE {table} SET seq = placed.place - 1 - (SELECT count(*) FROM {table})
            FROM (SELECT rowid AS row, row_number() OVER (ORDER BY created, rowid) AS place FROM {table}) placed
            WHERE placed.row = {table}.rowid
            """,
        )
    ),
]


def _eighth(tx: Cursor) -> None:
    """Programs of people's files that may run, and what left the workspace."""
    tx.execute("CREATE TABLE allowed_programs (project_id VARCHAR, program VARCHAR, who VARCHAR, seq BIGINT)")
    tx.execute(
        """
        CREATE TABLE exports (
            project_id VARCHAR, what VARCHAR, form VARCHAR, rows BIGINT, target VARCHAR, who VARCHAR, created DOUBLE,
            seq BIGINT
        )
        """
    )


def _ninth(tx: Cursor) -> None:
    """Each decision that was ever read, by number and hash, in place of the newest alone; and what is in doubt."""
    tx.execute("CREATE TABLE decisions_seen (number BIGINT, hash VARCHAR, applied BOOLEAN)")
    tx.execute("CREATE TABLE decisions_before (number BIGINT, hash VARCHAR)")
    tx.execute("CREATE TABLE known_runs (run_id VARCHAR)")
    tx.execute("CREATE TABLE doubts (sentence VARCHAR)")


def _tenth(tx: Cursor) -> None:
    """Names that people gave to runs."""
    tx.execute("CREATE TABLE run_names (project_id VARCHAR, run_id VARCHAR, name VARCHAR, seq BIGINT)")


MIGRATIONS: list[Callable[[Cursor], None]] = [
    _first, _second, _third, _fourth, _fifth, _sixth, _seventh, _eighth, _ninth, _tenth,
]  # fmt: skip


def migrate(tx: Cursor) -> None:
    """Bring the tables up to date inside the caller's transaction."""
    tx.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER)")
    row = tx.execute("SELECT max(version) FROM schema_version").fetchone()
    done = int(row[0]) if row and row[0] is not None else 0
    for number, step in enumerate(MIGRATIONS[done:], start=done + 1):
        step(tx)
        tx.execute("INSERT INTO schema_version VALUES (?)", [number])
