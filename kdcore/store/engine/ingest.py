"""Bring what workers wrote into the database, exactly once: rows and file offsets in one transaction."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import pyarrow.parquet as pq

from kdcore import ids
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import BadLine, Record, read_journal, read_metrics
from kdcore.store import maps, projects, runs, samples, training
from kdcore.store.engine.db import Store
from kdcore.store.engine.migrations import Cursor

METRICS_FILE = "metrics.jsonl"
MAP_FILE = "placements.parquet"


def ingest_run(store: Store, run: RunDir) -> int:
    """Read everything new in one run folder; return the number of records applied."""
    config = run.config()
    applied = 0
    seals = run.seals()
    for journal in run.journals():
        while True:
            offset = _offset(store, run.run_id, journal.name)
            chunk = read_journal(journal, offset, seals.get(journal.name))
            if chunk.offset == offset:
                break
            with store.transaction() as tx:
                _apply(tx, run.run_id, config, chunk.records)
                _quarantine(tx, run.run_id, journal.name, chunk.bad)
                _set_offset(tx, run.run_id, journal.name, chunk.offset)
            applied += len(chunk.records)
    applied += _ingest_metrics(store, run)
    applied += _ingest_map(store, run)
    return applied


def _offset(store: Store, run_id: str, file: str) -> int:
    row = store.scalar("SELECT max(position) FROM ingest_offsets WHERE run_id = ? AND file = ?", [run_id, file])
    return int(row or 0)


def _set_offset(tx: Cursor, run_id: str, file: str, position: int) -> None:
    tx.execute("DELETE FROM ingest_offsets WHERE run_id = ? AND file = ?", [run_id, file])
    tx.execute("INSERT INTO ingest_offsets VALUES (?, ?, ?)", [run_id, file, position])


_DECISIONS = "decisions.jsonl"


def decisions_read(store: Store) -> int:
    """Bytes of the decision log that an earlier start has applied."""
    return _offset(store, "", _DECISIONS)


def set_decisions_read(store: Store, position: int) -> None:
    """Remember how far the decision log was applied."""
    with store.transaction() as tx:
        _set_offset(tx, "", _DECISIONS, position)


def _quarantine(tx: Cursor, run_id: str, file: str, bad: list[BadLine]) -> None:
    for line in bad:
        tx.execute(
            "INSERT INTO quarantine VALUES (?, ?, ?, ?, ?)",
            [run_id, file, line.offset, line.reason, line.text],
        )


def quarantined(store: Store, run_id: str) -> list[dict[str, Any]]:
    """Lines of a run that could not be trusted."""
    return store.rows("SELECT * FROM quarantine WHERE run_id = ? ORDER BY file, position", [run_id])


def _apply(tx: Cursor, run_id: str, config: dict[str, Any], records: list[Record]) -> None:
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        by_kind.setdefault(str(record.body.get("kind")), []).append(record.body)
    for kind, bodies in by_kind.items():
        handler = _HANDLERS.get(kind)
        if handler is not None:
            handler(tx, run_id, config, bodies)


def _samples(tx: Cursor, run_id: str, config: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
    samples.insert(tx, [_sample_row(run_id, config, body) for body in bodies])


_AS_WRITTEN = (
    *("sample_id", "request_id", "seed_id", "n", "status", "reason", "question", "source", "topic", "difficulty"),
    *("reader", "answer", "rationale", "completion", "finish_reason", "prompt_tokens", "completion_tokens", "parent"),
)


def _sample_row(run_id: str, config: dict[str, Any], body: dict[str, Any]) -> dict[str, Any]:
    signal = body.get("signal") or {}
    return {
        **{key: body[key] for key in _AS_WRITTEN},
        "run_id": run_id,
        "project_id": config["project_id"],
        "prompt_version_id": config["prompt_version_id"],
        "group_key": ids.group_key(body["group"], body["source"], body["seed_id"]),
        "messages": json.dumps(body["messages"], ensure_ascii=False),
        "extra": json.dumps(body["extra"], ensure_ascii=False) if body["extra"] else "",
        "teacher": config["teacher"]["model"],
        "terms": f"{config['terms_id']}@{config['terms_version']}" if config.get("terms_id") else "",
        "entropy": signal.get("entropy"),
        "captured_mass": signal.get("captured_mass"),
        "mean_rank": signal.get("mean_rank"),
        "role": body["role"],
        "created": body["time"],
    }


def _seeds(tx: Cursor, run_id: str, config: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
    project, now = config["project_id"], time.time()
    projects.insert_seeds(
        tx,
        [
            {
                "seed_id": ids.seed_id(project, b["seed_kind"], b["text"], b.get("source", ""), b["fields"]),
                "project_id": project,
                "kind": b["seed_kind"],
                "text": b["text"],
                "source": b.get("source", ""),
                "topic": b.get("topic", ""),
                "difficulty": b.get("difficulty", ""),
                "reader": b.get("reader", ""),
                "group_key": b.get("group", ""),
                "fields": json.dumps(b["fields"], ensure_ascii=False),
                "run_id": run_id,
                "created": now,
            }
            for b in bodies
        ],
    )


def _verdicts(tx: Cursor, run_id: str, config: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
    rows = [
        {
            "run_id": run_id,
            "sample_id": body["sample_id"],
            "filter": body["filter"],
            "passed": body["passed"],
            "reason": body["reason"],
            "score": body["score"],
            "created": body["time"],
            "related": body.get("related", ""),
            "basis": body.get("basis", ""),
        }
        for body in bodies
    ]
    runs.insert_verdicts(tx, rows)


def _eval_items(tx: Cursor, run_id: str, config: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
    runs.insert_eval_items(
        tx,
        [
            {
                "run_id": run_id,
                "sample_id": body["sample_id"],
                "role": body["role"],
                "completion": body["completion"],
                "measures": json.dumps(body["measures"]),
                "created": body["time"],
            }
            for body in bodies
        ],
    )


def _train_steps(tx: Cursor, run_id: str, config: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
    training.insert_steps(tx, run_id, bodies)


def _train_answers(tx: Cursor, run_id: str, config: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
    training.insert_answers(tx, run_id, bodies)


def _titles(tx: Cursor, run_id: str, config: dict[str, Any], bodies: list[dict[str, Any]]) -> None:
    maps.insert_titles(tx, run_id, config["map_run"], bodies)


Handler = Callable[[Cursor, str, dict[str, Any], list[dict[str, Any]]], None]
_HANDLERS: dict[str, Handler] = {
    "sample": _samples,
    "seed": _seeds,
    "verdict": _verdicts,
    "eval_item": _eval_items,
    "train_step": _train_steps,
    "train_answer": _train_answers,
    "title": _titles,
}


def _ingest_metrics(store: Store, run: RunDir) -> int:
    offset = _offset(store, run.run_id, METRICS_FILE)
    rows, new_offset = read_metrics(run.path / METRICS_FILE, offset)
    if new_offset == offset:
        return 0
    with store.transaction() as tx:
        runs.insert_metrics(tx, run.run_id, rows)
        _set_offset(tx, run.run_id, METRICS_FILE, new_offset)
    return len(rows)


def _ingest_map(store: Store, run: RunDir) -> int:
    path = run.path / MAP_FILE
    if not path.exists() or _offset(store, run.run_id, MAP_FILE):
        return 0
    table = pq.read_table(path)
    titles = json.loads((run.path / "clusters.json").read_bytes())
    with store.transaction() as tx:
        maps.insert(tx, run.run_id, table, titles)
        _set_offset(tx, run.run_id, MAP_FILE, path.stat().st_size)
    return table.num_rows
