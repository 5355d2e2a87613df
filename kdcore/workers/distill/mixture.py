"""Train a student on a mixture of slices by the loop of ``distill.training``.

Needs torch, transformers, accelerate, peft, pyarrow and pydantic alone; the kinds beside it need TRL too.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.student.build import build_student, hf_model, load_causal_lm
from kdcore.distill.student.rollouts import by_vllm
from kdcore.distill.training.loop import TrainingJob
from kdcore.distill.training.loop import train as run_loop
from kdcore.distill.training.preflight import Report, check_cost, check_disk, headroom, refuse
from kdcore.errors import KdError
from kdcore.hardware import pick_precision
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.workers.base import on_accelerator
from kdcore.workers.distill.setup import MIXED, general_rows, kept, pad_token, prepare, shown_answers


def open_teacher(config: DistillConfig, dtype: torch.dtype) -> Any:
    """The live teacher where a slice asks for it, else None."""
    return load_causal_lm(config.teacher_path, dtype) if config.needs_teacher else None


@contextmanager
def writing(job: TrainingJob, tokenizer: Any, run: RunDir, reporter: Reporter) -> Iterator[None]:
    """Start vLLM beside the training where the student's own answers are written by it."""
    writer = _vllm_writer(job, tokenizer, run, reporter) if by_vllm(job.config) else None
    job.writer = writer
    try:
        yield
    finally:
        if writer is not None:
            writer.close()


def _vllm_writer(job: TrainingJob, tokenizer: Any, run: RunDir, reporter: Reporter) -> Any:
    """An engine for prompts and answers of their length; None, and the reason told, where ``auto`` can't have it."""
    from kdcore.distill.student.rollouts_vllm import VllmWriter

    config = job.config
    reporter.phase("starting vLLM for the student's own answers")
    context = getattr(hf_model(job.student).config, "max_position_embeddings", None) or config.max_length
    longest = min(max(row.prompt_length for row in job.rows) + config.rollout_tokens, context)
    dtype = pick_precision(config.precision, torch.cuda.is_available())
    try:
        return VllmWriter(job.student, tokenizer, run.path / "rollout_start", longest, config.seed, dtype)
    except KdError as exc:
        if config.rollouts == "vllm":
            raise
        traceback.print_exc()  # into the run's log
        reporter.conclude(f"transformers wrote the student's own answers, more slowly: {exc}")
        return None


def train(run: RunDir, reporter: Reporter, config: DistillConfig) -> None:
    """Check, build, train, save. A stop keeps the student as it is then."""
    _, tokenizer, rows, heldout, report = prepare(run, reporter)
    refuse(report)
    with on_accelerator(run, reporter):
        reporter.phase("building the student")
        precision = pick_precision(config.precision, torch.cuda.is_available())
        student = build_student(config.student, config.student_path, config.teacher_path, torch.float32)
        job = TrainingJob(
            config=config,
            student=student,
            rows=rows,
            heldout=heldout,
            pad_id=pad_token(tokenizer),
            folder=run.path / "checkpoints",
            mixed_precision=MIXED.get(precision, "no"),
            teacher=open_teacher(config, getattr(torch, precision)),
            eos_id=tokenizer.eos_token_id,
            answers=shown_answers(config, tokenizer, heldout, reporter),
            general=general_rows(run, config, tokenizer),
        )
        with writing(job, tokenizer, run, reporter), kept(student, tokenizer, run, reporter):
            run_loop(job, reporter)


def check(run: RunDir, reporter: Reporter, config: DistillConfig) -> Report:
    """The same checks and one measured pass, without training."""
    _, tokenizer, rows, heldout, report = prepare(run, reporter)
    if not report.blocks:
        with on_accelerator(run, reporter):
            reporter.phase("measuring one step")
            student = build_student(config.student, config.student_path, config.teacher_path, torch.float32)
            check_cost(config, student, rows, pad_token(tokenizer), report, open_teacher(config, torch.float32))
            check_disk(student, run.path, report)
            reporter.phase("measuring how far the student is from the teacher")
            headroom(config, student, heldout, pad_token(tokenizer), report)
    return report
