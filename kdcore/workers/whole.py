"""Trainings beside no other slice: a student by what its answers earn, a reward model, an encoder of labels.

``workers.distill`` hands them over; each writes the same curves, checkpoints and preflight.json as it does.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

from kdcore.configs.base import load_config
from kdcore.configs.distillation import LABEL_LOSSES, POLICY_LOSSES, DistillConfig
from kdcore.distill.classifier import labels_of, train_classifier, vote
from kdcore.distill.data import read_rows
from kdcore.distill.loop import Job, planned_steps
from kdcore.distill.policy import train_policy
from kdcore.distill.preflight import Report, refuse
from kdcore.distill.reward_model import train_reward
from kdcore.distill.student import build_student, save_merged
from kdcore.errors import DataError
from kdcore.hardware import keep_freed_memory, pick_precision
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.workers import distill
from kdcore.workers.main import on_accelerator
from kdcore.workers.rewards import reward_of


def work(run: RunDir, reporter: Reporter) -> None:
    """Train what the recipe's one slice names."""
    config = load_config(DistillConfig, run.config())
    loss = config.slices[0].loss
    keep_freed_memory()
    kind = _policy if loss in POLICY_LOSSES else _labels if loss in LABEL_LOSSES else _reward
    kind(run, reporter, config)


def preflight(run: RunDir, reporter: Reporter) -> None:
    """What would be trained on, counted and shown; nothing is measured."""
    config = load_config(DistillConfig, run.config())
    loss = config.slices[0].loss
    if loss in POLICY_LOSSES:
        distill.prepare(run, reporter)
    elif loss in LABEL_LOSSES:
        _voted(run, config)
    else:
        _pairs(run, config)


def _policy(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    _, tokenizer, rows, heldout, report = distill.prepare(run, reporter)
    refuse(report)
    train = read_rows(run.path / "input.parquet", "train")
    asked = list({row["messages"]: row for row in train}.values())  # each question once
    with on_accelerator(run, reporter):
        reporter.phase("building the student")
        precision = pick_precision(config.precision, torch.cuda.is_available())
        student = build_student(config.student, config.student_path, config.teacher_path, torch.float32)
        device = "cuda" if torch.cuda.is_available() else "cpu"
        job = Job(
            config=config,
            student=student,
            rows=rows,
            heldout=heldout,
            pad_id=distill.pad_token(tokenizer),
            folder=run.path / "checkpoints",
            mixed_precision=distill.MIXED.get(precision, "no"),
            answers=distill.shown_answers(config, tokenizer, heldout, reporter),
            general=distill.general_rows(run, config, tokenizer),
        )
        questions = [{"sample_id": row["sample_id"], "prompt": json.loads(row["messages"])} for row in asked]
        with distill.kept(student, tokenizer, run, reporter):
            train_policy(job, questions, reward_of(config, train, device), tokenizer, reporter)


def _reward(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    from transformers import AutoTokenizer

    pairs, heldout, report = _pairs(run, config)
    refuse(report)
    with on_accelerator(run, reporter):
        reporter.phase("building the reward model")
        tokenizer: Any = AutoTokenizer.from_pretrained(config.student_path)
        mixed = distill.MIXED.get(pick_precision(config.precision, torch.cuda.is_available()), "no")
        folder = run.path / "checkpoints"
        model = train_reward(config, config.student_path, pairs, heldout, tokenizer, folder, mixed, reporter)
        reporter.phase("saving the reward model")
        save_merged(model, tokenizer, run.path / "reward_model")


def _pairs(run: RunDir, config: DistillConfig) -> tuple[list[dict[str, Any]], list[dict[str, Any]], Report]:
    """Best and worst answer of each row that has two, as whole chats."""
    found = {
        split: [_pair(row) for row in read_rows(run.path / "input.parquet", split) if row["rivals"]]
        for split in ("train", "heldout")
    }
    report = _counted(run, config, found["train"], found["heldout"])
    if not found["train"]:
        report.blocks.append(
            "no training row has a second answer to compare with; make pairs with a feedback method, "
            "or edit answers on the Review page"
        )
    for pair in found["train"][:3]:
        texts = [pair[side][-1]["content"] for side in ("chosen", "rejected")]
        reads = "\n".join(f"{message['role']}: {message['content']}" for message in pair["chosen"][:-1])
        shown = {"reads": reads, "learns": texts[0], "worse": [texts[1]], "supervised": 0, "topk": False}
        report.first_batch.append(shown)
    return found["train"], found["heldout"], _written(run, report)


def _pair(row: dict[str, Any]) -> dict[str, Any]:
    chat = json.loads(row["messages"])
    answers = {"chosen": row["completion"], "rejected": row["rivals"][-1]}
    return {side: [*chat, {"role": "assistant", "content": text}] for side, text in answers.items()}


def _labels(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    labels, train, heldout, report = _voted(run, config)
    refuse(report)
    with on_accelerator(run, reporter):
        reporter.phase("building the encoder")
        mixed = distill.MIXED.get(pick_precision(config.precision, torch.cuda.is_available()), "no")
        folder = run.path / "checkpoints"
        model, tokenizer, said = train_classifier(
            config, config.student_path, labels, train, heldout, folder, mixed, reporter
        )
        for row, label in zip(heldout, said, strict=True):
            told = {"kind": "train_answer", "attempt": reporter.epoch, "step": planned_steps(config, len(train))}
            reporter.append(told | {"sample_id": row.sample_id, "completion": label})
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
    report = _counted(run, config, train, heldout)
    if problem:
        report.blocks.append(problem)
    unknown = {row["answer"] for row in rows["heldout"]} - set(labels)
    if labels and unknown:
        report.warnings.append(f"{len(unknown)} labels stand in held-out rows only and are left out")
    for row in train[:3]:
        shares = zip(labels, row.shares, strict=True)
        learns = ", ".join(f"{label} {share:.0%}" for label, share in shares if share)
        report.first_batch.append({"reads": row.text, "learns": learns, "supervised": 1, "topk": False})
    return labels, train, heldout, _written(run, report)


def _counted(run: RunDir, config: DistillConfig, train: list[Any], heldout: list[Any]) -> Report:
    report = Report(rows=len(train), heldout=len(heldout))
    report.steps = planned_steps(config, len(train)) if train else 0
    if not heldout:
        report.warnings.append("no held-out rows: the curve can't show whether it generalises")
    return report


def _written(run: RunDir, report: Report) -> Report:
    write_json(Path(run.path) / "preflight.json", report.to_dict())
    return report
