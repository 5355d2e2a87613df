"""A project's tables as Parquet files that a researcher may query: no other project, no table of ours behind them."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

from kdcore.store.engine.db import Store

_taking = threading.Lock()
IN_USE_S = 60  # a query that began on an older snapshot may still read it
EXAMPLE = (
    "SELECT topic, status, count(*) AS rows, avg(completion_tokens) AS tokens\n"
    "FROM samples GROUP BY ALL ORDER BY rows DESC"
)
# view of the snapshot → what is in it; each takes the project once
TABLES = {
    "samples": """
    SELECT s.sample_id, s.run_id, s.prompt_version_id, s.seed_id, s.parent, s.role, s.status, s.reason,
        coalesce(r.question, s.question) AS question, coalesce(r.answer, s.answer) AS answer, s.rationale,
        s.source, s.topic, s.difficulty, s.reader, s.teacher, s.finish_reason, s.prompt_tokens,
        s.completion_tokens, s.entropy, s.captured_mass, s.mean_rank, s.created,
        coalesce(r.action, 'pending') AS review, r.reviewer, r.note
    FROM samples s
    LEFT JOIN current_reviews r USING (sample_id)
    WHERE s.project_id = ?
    """,
    "verdicts": "SELECT v.* FROM current_verdicts v JOIN samples s USING (sample_id) WHERE s.project_id = ?",
    "tags": "SELECT sample_id, tag FROM current_tags WHERE project_id = ?",
    "placements": """
    SELECT p.run_id AS map, p.sample_id, p.x, p.y, p.cluster, c.title
    FROM placements p
    JOIN runs r USING (run_id)
    LEFT JOIN titled_clusters c ON c.run_id = p.run_id AND c.cluster = p.cluster
    WHERE r.project_id = ?
    """,
    "dataset_rows": """
    SELECT d.name, d.version, r.*
    FROM dataset_rows r
    JOIN datasets d USING (dataset_id)
    WHERE d.project_id = ?
    """,
    "prompts": """
    SELECT prompt_version_id, name, version, method, note
    FROM prompt_versions
    WHERE project_id = ?
    """,
}


def take(store: Store, project_id: str, folder: Path) -> Path:
    """Write the tables under ``folder``, or find them there; one snapshot for each state of the database."""
    target = folder / f"{project_id}-{store.opened}-{store.version}"
    with _taking:
        if not target.is_dir():
            _write(store, project_id, target)
        os.utime(target)  # in use from now on
    return target


def _write(store: Store, project_id: str, target: Path) -> None:
    folder, scratch = target.parent, target.with_name(f".{target.name}.tmp")
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir(parents=True)
    for name, sql in TABLES.items():
        store.write(sql, [project_id], scratch / f"{name}.parquet")
    for old in folder.glob(f"{project_id}-*"):
        if time.time() - old.stat().st_mtime > IN_USE_S:
            shutil.rmtree(old, ignore_errors=True)
    scratch.replace(target)
