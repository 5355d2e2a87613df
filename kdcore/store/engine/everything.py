"""Every table as it stands, for people who leave with their data and need no kd to read it."""

from __future__ import annotations

from pathlib import Path

from kdcore.store.engine.db import Store

# table or view → what a row of it is
TABLES: dict[str, str] = {
    "projects": "a project",
    "prompt_versions": "a version of a prompt; `content` is its template as JSON",
    "seeds": "what was asked about: a question or a passage, with its columns as JSON in `fields`",
    "runs": "a run, with its whole config as JSON",
    "samples": "an answer of a teacher or of a person, usable or not; `request_id`, `seed_id`, `prompt_version_id` "
    "and `run_id` say where it is from, `messages` is the chat as JSON",
    "reviews": "a decision of a person, in the order of `seq`; `undoes` names the event that it takes back",
    "current_reviews": "what people decided on a sample, as it holds now",
    "verdicts": "what a check, a concept, a pick or a score said of a sample",
    "current_verdicts": "the newest verdict of each check on a sample",
    "tags": "a tag put on a sample or taken off",
    "current_tags": "a tag that a sample has now",
    "views": "a saved view",
    "run_names": "a name that somebody gave to a run; the newest holds",
    "placements": "the place of a sample on a map, and its group",
    "clusters": "a group of a map",
    "cluster_titles": "a title that a teacher wrote for a group",
    "titled_clusters": "a group with the title that is shown",
    "datasets": "a version of a dataset; `sha256` is that of its rows",
    "dataset_rows": "a row of a version, as it was frozen",
    "metrics": "a point of a curve of a training",
    "train_rows": "a row that a step of a training was made of, with its loss in nats",
    "train_answers": "what a student said on the way",
    "eval_items": "an answer of a candidate in a comparison, with its measures as JSON",
    "data_classes": "what kind of text a project holds, as somebody said; the newest `seq` holds",
    "terms_overrides": "why training on a teacher's answers was allowed, and by whom",
    "allowed_programs": "a program of a file that somebody allowed to run",
    "exports": "what left the workspace, for whom and where to",
}
# what the app needs to read its own files; it says nothing of anybody's data
INTERNAL = frozenset(
    {
        "schema_version", "ingest_offsets", "quarantine", "decisions_head", "decisions_waiting", "decisions_seen",
        "decisions_before", "known_runs", "doubts",
    }
)  # fmt: skip


def tables_of(store: Store) -> set[str]:
    """Every table and view of the database."""
    found = store.rows("SELECT table_name FROM information_schema.tables WHERE table_schema = 'main'")
    return {row["table_name"] for row in found}


def write_all(store: Store, folder: Path) -> dict[str, int]:
    """Each table into a Parquet file of its name; returns the rows of each."""
    for name in TABLES:
        store.write(f'SELECT * FROM "{name}"', [], folder / f"{name}.parquet")
    return store.sizes(*TABLES)
