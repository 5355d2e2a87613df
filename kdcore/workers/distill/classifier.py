"""Train an encoder that names labels, by the share of the teacher's votes for each."""

from __future__ import annotations

from typing import Any

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.rows import read_rows
from kdcore.distill.student.build import save_merged
from kdcore.distill.training.loop import planned_steps
from kdcore.distill.training.preflight import Report, check_disk, refuse
from kdcore.distill.trl.classifier import build_classifier, label_cost, labels_of, train_classifier, vote
from kdcore.errors import DataError
from kdcore.hardware import pick_precision
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import TrainAnswerRecord
from kdcore.records.runs import BatchRow
from kdcore.workers.base import on_accelerator
from kdcore.workers.distill import setup


def check(run: RunDir, reporter: Reporter, config: DistillConfig) -> Report:
    """Count the votes and measure one step."""
    labels, train, _, report = _voted(run, config)
    if not report.blocks:
        with on_accelerator(run, reporter):
            reporter.phase("measuring one step")
            model, reader = build_classifier(config, config.student_path, labels)
            some = [{"text": row.text, "shares": row.shares} for row in train[: config.batch_size]]
            label_cost(model, reader.batch(some), report)
            check_disk(model, run.path, report)
    return report


def train(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    """Train on the votes, then tell what it says of the held-out rows."""
    labels, rows, heldout, report = _voted(run, config)
    refuse(report)
    with on_accelerator(run, reporter):
        reporter.phase("building the encoder")
        mixed = setup.MIXED.get(pick_precision(config.precision, torch.cuda.is_available()), "no")
        folder = run.path / "checkpoints"
        model, tokenizer, said = train_classifier(
            config, config.student_path, labels, rows, heldout, folder, mixed, reporter
        )
        for row, label in zip(heldout, said, strict=True):
            step = planned_steps(config, len(rows))
            reporter.append(
                TrainAnswerRecord(attempt=reporter.epoch, step=step, sample_id=row.sample_id, completion=label)
            )
        reporter.phase("saving the encoder")
        save_merged(model, tokenizer, run.path / "classifier")


def _voted(run: RunDir, config: DistillConfig) -> tuple[list[str], list[Any], list[Any], Report]:
    rows = {split: read_rows(run.path / "input.parquet", split) for split in ("train", "heldout")}
    labels: list[str] = []
    problem = ""
    try:
        labels = labels_of(rows["train"])
    except DataError as exc:
        problem = str(exc).rstrip(".")
    train, heldout = (vote(rows[split], labels) for split in ("train", "heldout"))
    report = setup.counted(run, config, train, heldout)
    if problem:
        report.blocks.append(problem)
    unknown = {row["answer"] for row in rows["heldout"]} - set(labels)
    if labels and unknown:
        report.warnings.append(f"{len(unknown)} labels stand in held-out rows only and are left out")
    for row in train[:3]:
        shares = zip(labels, row.shares, strict=True)
        learns = ", ".join(f"{label} {share:.0%}" for label, share in shares if share)
        report.first_batch.append(
            BatchRow(
                sample_id=row.sample_id,
                reads=row.text,
                learns=learns,
                supervised=1,
                topk=False,
                undesirable=False,
                worse=[],
            )
        )
    return labels, train, heldout, setup.written(run, report)
