"""What each kind of journal record becomes in the tables."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from kdcore import ids
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import (
    EvalItemRecord,
    JournalRecord,
    SampleRecord,
    SeedRecord,
    TitleRecord,
    TrainAnswerRecord,
    TrainStepRecord,
    VerdictRecord,
)
from kdcore.records.samples import NewSample, Seed
from kdcore.store import evaluations, maps, projects, samples, training, verdicts
from kdcore.store.engine.migrations import Cursor


@dataclass(frozen=True, slots=True)
class Origin:
    """The run whose records are read, and the config that it was started with."""

    run: RunDir
    config: dict[str, Any]

    @property
    def run_id(self) -> str:
        """Its id."""
        return self.run.run_id


def apply(tx: Cursor, origin: Origin, records: Sequence[JournalRecord]) -> None:
    """Put records of one run into the tables; kinds that have none (what a program paid) are passed over."""
    by_kind: dict[str, list[JournalRecord]] = {}
    for record in records:
        by_kind.setdefault(record.kind, []).append(record)
    for kind, found in by_kind.items():
        if kind in _HANDLERS:
            _HANDLERS[kind](tx, origin, found)


def _samples(tx: Cursor, origin: Origin, records: list[SampleRecord]) -> None:
    samples.insert(tx, [_sample_row(origin, record) for record in records])


def _sample_row(origin: Origin, record: SampleRecord) -> NewSample:
    signal, config = record.signal, origin.config
    return {
        "sample_id": record.sample_id,
        "request_id": record.request_id,
        "seed_id": record.seed_id,
        "n": record.n,
        "status": record.status,
        "reason": record.reason,
        "question": record.question,
        "source": record.source,
        "topic": record.topic,
        "difficulty": record.difficulty,
        "reader": record.reader,
        "answer": record.answer,
        "rationale": record.rationale,
        "completion": record.completion,
        "finish_reason": record.finish_reason,
        "prompt_tokens": record.prompt_tokens,
        "completion_tokens": record.completion_tokens,
        "parent": record.parent,
        "role": record.role,
        "run_id": origin.run_id,
        "project_id": config["project_id"],
        "prompt_version_id": config["prompt_version_id"],
        "group_key": ids.group_key(record.group, record.source, record.seed_id),
        "messages": json.dumps(record.messages, ensure_ascii=False),
        "extra": json.dumps(record.extra, ensure_ascii=False) if record.extra else "",
        "teacher": config["teacher"]["model"],
        "terms": f"{config['terms_id']}@{config['terms_version']}" if config.get("terms_id") else "",
        "entropy": signal.entropy if signal else None,
        "captured_mass": signal.captured_mass if signal else None,
        "mean_rank": signal.mean_rank if signal else None,
        "created": record.time,
    }


def _seeds(tx: Cursor, origin: Origin, records: list[SeedRecord]) -> None:
    project, now = origin.config["project_id"], time.time()
    rows: list[Seed] = [
        {
            "seed_id": ids.seed_id(project, seed.seed_kind, seed.text, seed.source, seed.fields),
            "project_id": project,
            "kind": seed.seed_kind,
            "text": seed.text,
            "source": seed.source,
            "topic": seed.topic,
            "difficulty": seed.difficulty,
            "reader": seed.reader,
            "group_key": seed.group,
            "fields": json.dumps(seed.fields, ensure_ascii=False),
            "run_id": origin.run_id,
            "created": now,
        }
        for seed in records
    ]
    projects.insert_seeds(tx, rows)


def _verdicts(tx: Cursor, origin: Origin, records: list[VerdictRecord]) -> None:
    verdicts.insert(tx, origin.run_id, records)


def _eval_items(tx: Cursor, origin: Origin, records: list[EvalItemRecord]) -> None:
    evaluations.insert(tx, origin.run_id, records)


def _train_steps(tx: Cursor, origin: Origin, records: list[TrainStepRecord]) -> None:
    training.insert_steps(tx, origin.run_id, records)


def _train_answers(tx: Cursor, origin: Origin, records: list[TrainAnswerRecord]) -> None:
    training.insert_answers(tx, origin.run_id, records)


def _titles(tx: Cursor, origin: Origin, records: list[TitleRecord]) -> None:
    maps.insert_titles(tx, origin.run_id, origin.config["map_run"], records)


_HANDLERS: dict[str, Callable[[Cursor, Origin, Any], None]] = {
    "sample": _samples,
    "seed": _seeds,
    "verdict": _verdicts,
    "eval_item": _eval_items,
    "train_step": _train_steps,
    "train_answer": _train_answers,
    "title": _titles,
}
