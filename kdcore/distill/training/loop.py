"""The training loop, top to bottom: batches, loss, step, measures, checkpoints, stop."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill.batches.batch import batches, collate
from kdcore.distill.batches.rows import Row
from kdcore.distill.measures.heldout import HeldoutEvaluator, reference_logprobs
from kdcore.distill.measures.step import (
    Throughput,
    by_row,
    by_slice,
    gradient_shares,
    memory_gb,
    peak_flops,
    step_flops,
)
from kdcore.distill.student.build import kept_layers
from kdcore.distill.student.rollouts import Replay, is_on_policy, sampled, with_answers
from kdcore.distill.terms.hidden_states import Similarity
from kdcore.distill.terms.student_with_losses import StudentWithLosses
from kdcore.distill.training import checkpoint
from kdcore.distill.training.loss_guard import LossGuard
from kdcore.errors import JobError

Measures = dict[str, float]
# (sample ids, answers) → what each answer earns; a sample comes once for each of its answers
Reward = Callable[[Sequence[str], Sequence[str]], list[float]]
PRECISIONS = {"no": "float32", "bf16": "bfloat16", "fp16": "float16"}


class TrainingReporter(Protocol):
    """The part of a reporter that the loop needs."""

    def metric(self, step: int, split: str, values: Measures) -> None:
        """Add points to curves."""
        ...

    def learnt(self, step: int, losses: list[tuple[str, int, float]]) -> None:
        """Say which rows a step was made of: (sample, slice, loss) each."""
        ...

    def progress(self, done: int, total: int, unit: str, **extra: Any) -> None:
        """Say how far it is."""
        ...

    def phase(self, message: str) -> None:
        """Say what is happening."""
        ...

    def check_stop(self) -> None:
        """Raise if asked to stop."""
        ...


class Writer(Protocol):
    """What writes the student's own answers."""

    def write(self, student: Any, prompts: list[list[int]], longest: int) -> list[list[int]]:
        """Token ids sampled at temperature 1, 1 to ``longest`` for each prompt, the end mark included."""
        ...


@dataclass(slots=True)
class TrainingJob:
    """What is trained, on what, and where it is kept. ``answers`` lets the student speak at an evaluation."""

    config: DistillConfig
    student: Any
    rows: list[Row]
    heldout: list[Row]
    pad_id: int
    folder: Path
    mixed_precision: str = "no"
    teacher: Any = None
    eos_id: int | None = None
    answers: Callable[[Any, int], None] = lambda student, step: None
    writer: Writer | None = None  # writes the student's own answers where transformers is not to
    general: list[Row] = field(default_factory=list[Row])  # of no subject: their loss tells what is forgotten


def planned_steps(config: DistillConfig, rows: int) -> int:
    """Steps of the whole run."""
    in_epoch = math.ceil(rows / config.batch_size)
    return config.max_steps or max(1, round(config.epochs * in_epoch))


def student_with_losses(config: DistillConfig, student: Any, teacher: Any) -> StudentWithLosses:
    """The student with the recipe's losses, and with the add-on between inner states where it asks for one."""
    similarity = None
    if config.similarity.loss != "none":
        kept = None
        if config.student.init == "teacher_layers":
            kept = kept_layers(teacher.config.num_hidden_layers, config.student.keep_layers)
        torch.manual_seed(config.seed)
        similarity = Similarity(config.similarity, student, teacher, kept)
    return StudentWithLosses(student, config.slices, config.chunk_tokens, teacher, similarity)


def train(job: TrainingJob, pen: TrainingReporter) -> None:
    """Train the student in place; resume from the newest complete checkpoint in the job's folder.

    A stop that was asked for leaves a checkpoint behind and is raised on. Raises JobError when the loss
    is not finite, exactly zero, or runs away.
    """
    from accelerate import Accelerator
    from transformers import get_cosine_schedule_with_warmup

    # ---- what is trained, and how -------------------------------------------------------------------
    config, student, rows = job.config, job.student, job.rows
    torch.manual_seed(config.seed)
    accelerator = Accelerator(mixed_precision=job.mixed_precision, cpu=not torch.cuda.is_available())
    teacher = job.teacher.to(accelerator.device).eval().requires_grad_(False) if job.teacher is not None else None
    model = student_with_losses(config, student, teacher)
    trainable = model.trainable()
    optimizer: Any = torch.optim.AdamW(
        trainable.values(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    total = planned_steps(config, len(rows))
    schedule: Any = get_cosine_schedule_with_warmup(optimizer, round(total * config.warmup_ratio), total)
    teaching = model.teaching
    model, optimizer = accelerator.prepare(model, optimizer)
    eval_every = config.eval_every or math.ceil(total / 5)
    save_every = config.save_every or max(1, total // 4)
    with accelerator.autocast():  # as it is measured and trained
        remember_reference(job, pen, accelerator.device)
    probe = HeldoutEvaluator(job.heldout, len(config.slices), teaching.ranks, config.batch_size, job.pad_id)
    general = HeldoutEvaluator(job.general, 1, (False,), config.batch_size, job.pad_id)

    # ---- where to begin -----------------------------------------------------------------------------
    step = 0
    guard, replay = LossGuard(may_be_zero=any(teaching.ranks)), Replay(config)
    found = checkpoint.load_newest(job.folder)
    if found is not None:
        step, tensors, state = found
        with torch.no_grad():
            for name, parameter in trainable.items():
                parameter.copy_(tensors[name])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        checkpoint.set_random_state(state)
        guard.state = state.get("guard", guard.state)  # absent in checkpoints of earlier versions
        replay.state = state.get("replay", [])
        pen.phase(f"going on from step {step}")

    def save(at: int) -> None:
        state = {
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            **checkpoint.random_state(),
            "guard": guard.state,
            "replay": replay.state,
        }
        checkpoint.save(job.folder, at, trainable, state)

    def measure(at: int) -> None:
        with accelerator.autocast():
            found = {"heldout": probe, "general": general}
            measured = {split: each.measure(student, config.chunk_tokens) for split, each in found.items()}
        for split, values in measured.items():
            if values:
                pen.metric(at, split, values)
        job.answers(student, at)

    # ---- the loop -----------------------------------------------------------------------------------
    if step == 0:
        pen.phase("measuring the untrained student")
        measure(0)
    pen.phase("training")
    student.train()
    peak = peak_flops(accelerator.device, getattr(torch, PRECISIONS[job.mixed_precision]))
    pace = Throughput()
    saved = step

    def stop_here(at: int) -> None:
        """Where the user may stop: between two whole steps, so what is kept is what a resume goes on from."""
        try:
            pen.check_stop()
        except JobError:
            raise  # nothing can be written
        except Exception:
            if at > saved:
                save(at)
            raise

    def write_anew(group: list[Row]) -> list[Row]:
        most = config.rollout_tokens
        if job.writer is not None:
            said = job.writer.write(student, [row.ids[: row.prompt_length] for row in group], most)
        else:
            said = sampled(student, group, most, job.pad_id, job.eos_id)
        own = with_answers(group, said)
        replay.keep(own)
        return own

    for group in _from_step(rows, config, step, total):
        stop_here(step)
        if is_on_policy(config, step):
            group = replay.draw(step, len(group)) or write_anew(group)
        batch = collate(group, job.pad_id, teaching).to(accelerator.device)
        due = (step + 1) % eval_every == 0 or step + 1 == total
        shares = gradient_shares(model, accelerator, group, job.pad_id) if due else {}
        loss, token_losses, ranked_losses, figures = model(batch)
        accelerator.backward(loss)
        norm: Any = accelerator.clip_grad_norm_(model.parameters(), config.max_grad_norm)
        value = float(loss.detach())
        guard.check(value, float(norm), step + 1)  # before it can spoil the weights
        rate = schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        losses = by_row(batch, token_losses, ranked_losses)
        learnt = len(token_losses) + (len(batch.ranked.labels) if batch.ranked is not None else 0)
        pen.metric(
            step,
            "train",
            {
                "loss": value,
                "learning_rate": rate,
                "grad_norm": float(norm),
                "tokens_per_s": pace.tick(learnt),
                "mfu": step_flops(student, batch) / pace.last_s / peak,
                "memory_gb": memory_gb(),
                **by_slice(token_losses, batch, losses, len(config.slices)),
                **figures,
                **shares,
            },
        )
        pen.learnt(step, losses)
        pen.progress(step, total, "steps", rate=pace.steps_per_s, loss=value)
        if due:
            measure(step)
            pace.pause()
        if step % save_every == 0 and step < total:
            save(step)
            saved = step
            pace.pause()
    save(step)


def remember_reference(job: TrainingJob, pen: TrainingReporter, device: Any) -> None:
    """Put the untrained student's log-probs on the rows that need them: made once, kept beside the checkpoints."""
    needs = [part.traits.from_reference for part in job.config.slices]
    ranked = [row for row in job.heldout if row.rejected]  # training rows that can't be ranked are left out before
    rows = [row for row in [*job.rows, *ranked] if needs[row.slice]]
    if not rows:
        return
    known = checkpoint.load_reference(job.folder)
    if known is None:
        pen.phase("asking the untrained student, once")
        job.student.to(device)
        at_once = job.config.batch_size
        found = reference_logprobs(job.student, rows, job.pad_id, at_once, job.config.chunk_tokens)
        known = [
            {"sample_id": row.sample_id, "slice": row.slice, "logprobs": values}
            for row, values in zip(rows, found, strict=True)
        ]
        checkpoint.save_reference(job.folder, known)
    stored = {(entry["sample_id"], entry["slice"]): tuple(entry["logprobs"]) for entry in known}
    for row in rows:
        row.reference = stored[row.sample_id, row.slice]


def _from_step(rows: list[Row], config: DistillConfig, step: int, total: int) -> Iterator[list[Row]]:
    """Batches ``step`` … ``total`` of the endless, seeded order."""
    in_epoch = math.ceil(len(rows) / config.batch_size)
    epoch, skip = divmod(step, in_epoch)
    made = step
    while made < total:
        for place, group in enumerate(batches(rows, config.batch_size, config.seed, epoch)):
            if place < skip:
                continue
            if made == total:
                return
            made += 1
            yield group
        epoch, skip = epoch + 1, 0
