"""Each kind of journal record has its place in the tables."""

import pytest

from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import (
    RECORDS,
    EvalItemRecord,
    PaidRecord,
    SampleRecord,
    SeedRecord,
    TitleRecord,
    TrainAnswerRecord,
    TrainStepRecord,
    VerdictRecord,
)
from kdcore.store.engine.apply import Origin, apply

CONFIG = {
    "project_id": "p",
    "prompt_version_id": "pv",
    "teacher": {"model": "t"},
    "terms_id": "own",
    "terms_version": 2,
    "map_run": "embed-1",
}
SAMPLE = SampleRecord(
    sample_id="s", request_id="r", seed_id="d", n=0, question="Why?", messages=[], completion="So.", status="parsed",
    answer="So.", time=1.0,
)  # fmt: skip
PLACES = {
    "sample": (SAMPLE, "samples"),
    "seed": (SeedRecord(seed_kind="question", text="Why?"), "seeds"),
    "verdict": (VerdictRecord(sample_id="s", filter="length", passed=True, time=1.0), "verdicts"),
    "eval_item": (
        EvalItemRecord(sample_id="s", candidate="base", completion="", measures={}, time=1.0),
        "eval_items",
    ),
    "train_step": (TrainStepRecord(attempt=1, step=1, rows=[("s", 0, 0.5)]), "train_rows"),
    "train_answer": (TrainAnswerRecord(attempt=1, step=1, sample_id="s", completion="So."), "train_answers"),
    "title": (TitleRecord(cluster=1, title="Doses", time=1.0), "cluster_titles"),
    "paid": (PaidRecord(paid=1), None),
}


@pytest.mark.parametrize("kind", RECORDS)
def test_a_record_lands_in_its_table(store, tmp_path, kind):
    record, table = PLACES[kind]
    with store.transaction() as tx:
        apply(tx, Origin(RunDir(tmp_path / "run-1"), CONFIG), [record])
    held = {name for _, name in PLACES.values() if name and store.sizes(name)[name]}
    assert held == ({table} if table else set())


def test_a_sample_carries_what_its_run_knows(store, tmp_path):
    with store.transaction() as tx:
        apply(tx, Origin(RunDir(tmp_path / "run-1"), CONFIG), [SAMPLE])
    row = store.one("SELECT run_id, project_id, teacher, terms FROM samples")
    assert row == {"run_id": "run-1", "project_id": "p", "teacher": "t", "terms": "own@2"}
