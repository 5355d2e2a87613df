"""Train a student by what its own answers earn: the policies grpo and rloo."""

from __future__ import annotations

import json

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.rows import read_rows
from kdcore.distill.student.build import build_student
from kdcore.distill.training.loop import TrainingJob, planned_steps
from kdcore.distill.training.preflight import Report, check_disk, refuse
from kdcore.distill.trl.policy import Asked, policy_cost, train_policy
from kdcore.hardware import pick_precision, torch_device
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.datasets import TrainingRow
from kdcore.workers.base import on_accelerator
from kdcore.workers.distill import setup
from kdcore.workers.distill.rewards import reward_of


def check(run: RunDir, reporter: Reporter, config: DistillConfig) -> Report:
    """Count what would be asked and measure one step."""
    _, tokenizer, rows, _, report = setup.prepare(run, reporter)
    report.steps = planned_steps(config, len(_asked(run)))
    if not report.blocks:
        with on_accelerator(run, reporter):
            reporter.phase("measuring one step")
            student = build_student(config.student, config.student_path, config.teacher_path, torch.float32)
            prompts = [row.ids[: row.prompt_length] for row in rows]
            policy_cost(config, student, prompts, setup.pad_token(tokenizer), report)
            check_disk(student, run.path, report)
    return report


def train(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    """Train by the reward that the recipe names; a stop keeps the student as it is then."""
    _, tokenizer, rows, heldout, report = setup.prepare(run, reporter)
    refuse(report)
    every = [row for split in ("train", "heldout") for row in read_rows(run.path / "input.parquet", split)]
    with on_accelerator(run, reporter):
        reporter.phase("building the student")
        precision = pick_precision(config.precision, torch.cuda.is_available())
        student = build_student(config.student, config.student_path, config.teacher_path, torch.float32)
        reward = reward_of(config, every, torch_device())
        job = TrainingJob(
            config=config,
            student=student,
            rows=rows,
            heldout=heldout,
            pad_id=setup.pad_token(tokenizer),
            folder=run.path / "checkpoints",
            mixed_precision=setup.MIXED.get(precision, "no"),
            answers=setup.shown_answers(config, tokenizer, heldout, reporter, reward),
            general=setup.general_rows(run, config, tokenizer),
        )
        questions = [Asked(sample_id=row["sample_id"], prompt=json.loads(row["messages"])) for row in _asked(run)]
        with setup.kept(student, tokenizer, run, reporter):
            train_policy(job, questions, reward, tokenizer, reporter)


def _asked(run: RunDir) -> list[TrainingRow]:
    """The training rows, each question once."""
    return list({row["messages"]: row for row in read_rows(run.path / "input.parquet", "train")}.values())
