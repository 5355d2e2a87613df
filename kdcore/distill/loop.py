"""The training loop, top to bottom: batches, loss, step, measures, checkpoints, stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import torch

from kdcore.configs.distillation import DistillConfig
from kdcore.distill import checkpoint
from kdcore.distill.data import Batch, Row, batches, collate
from kdcore.distill.objective import LiveTeacher, Term, head_loss
from kdcore.distill.on_policy import is_on_policy, rollouts
from kdcore.distill.recipe import heldout_teaching, teaching_of
from kdcore.distill.signals import heldout_measures, supervised_states
from kdcore.distill.student import hf_model
from kdcore.errors import JobError


class Pen(Protocol):
    """The part of a reporter that the loop needs."""

    def metric(self, step: int, split: str, values: dict[str, float]) -> None:
        """Add points to curves."""
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


class Learner(torch.nn.Module):
    """Student plus loss in one ``forward``, so that distributed wrappers see the whole step.

    A live teacher is held in a tuple: it is no part of what is trained, wrapped or saved.
    """

    def __init__(self, student: Any, chunk: int, terms: tuple[Term, ...] = (), teacher: Any = None) -> None:
        super().__init__()
        self.student = student
        self.chunk = chunk
        self.terms = terms
        self.teacher = (teacher,)

    def forward(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
        """The step's loss and the (N,) token losses."""
        states = supervised_states(self.student, batch)
        head = hf_model(self.student).get_output_embeddings().weight
        return head_loss(states, head, batch.targets, self.terms, self.chunk, self._theirs(batch))

    def _theirs(self, batch: Batch) -> LiveTeacher | None:
        [teacher] = self.teacher
        if teacher is None:
            return None
        with torch.no_grad():
            states = supervised_states(teacher, batch)
        return LiveTeacher(states, hf_model(teacher).get_output_embeddings().weight.to(states.dtype))


def planned_steps(config: DistillConfig, rows: int) -> int:
    """Steps of the whole run."""
    in_epoch = math.ceil(rows / config.batch_size)
    return config.max_steps or max(1, round(config.epochs * in_epoch))


def train(
    config: DistillConfig,
    student: Any,
    rows: list[Row],
    heldout: list[Row],
    pad_id: int,
    folder: Path,
    pen: Pen,
    mixed_precision: str = "no",
    teacher: Any = None,
    eos_id: int | None = None,
) -> None:
    """Train ``student`` in place; resume from the newest complete checkpoint in ``folder``.

    A stop that was asked for leaves a checkpoint behind and is raised on. Raises JobError when the loss
    is not finite or exactly zero.
    """
    from accelerate import Accelerator
    from transformers import get_cosine_schedule_with_warmup

    # ---- what is trained, and how -------------------------------------------------------------------
    torch.manual_seed(config.seed)
    accelerator = Accelerator(mixed_precision=mixed_precision, cpu=not torch.cuda.is_available())
    terms, teaching = teaching_of(config.slices)
    trainable = {name: p for name, p in student.named_parameters() if p.requires_grad}
    optimizer: Any = torch.optim.AdamW(
        trainable.values(), lr=config.learning_rate, weight_decay=config.weight_decay, fused=True
    )
    total = planned_steps(config, len(rows))
    schedule: Any = get_cosine_schedule_with_warmup(optimizer, round(total * config.warmup_ratio), total)
    if teacher is not None:
        teacher = teacher.to(accelerator.device).eval().requires_grad_(False)
    learner, optimizer = accelerator.prepare(Learner(student, config.chunk_tokens, terms, teacher), optimizer)
    eval_every = config.eval_every or max(1, total // 5)
    save_every = config.save_every or max(1, total // 4)
    probe = [
        # Held-out rows always measure the distances, whatever the training loss.
        collate(heldout[at : at + config.batch_size], pad_id, heldout_teaching(len(config.slices))).to(
            accelerator.device
        )
        for at in range(0, len(heldout), config.batch_size)
    ]

    # ---- where to begin -----------------------------------------------------------------------------
    step = 0
    found = checkpoint.load_newest(folder)
    if found is not None:
        step, tensors, state = found
        with torch.no_grad():
            for name, parameter in trainable.items():
                parameter.copy_(tensors[name])
        optimizer.load_state_dict(state["optimizer"])
        schedule.load_state_dict(state["schedule"])
        torch.set_rng_state(state["rng"])
        pen.phase(f"going on from step {step}")

    def save(at: int) -> None:
        state = {
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
            "rng": torch.get_rng_state(),
        }
        checkpoint.save(folder, at, trainable, state)

    def measure(at: int) -> None:
        if probe:
            with accelerator.autocast():
                pen.metric(at, "heldout", heldout_measures(student, probe, config.chunk_tokens))

    # ---- the loop -----------------------------------------------------------------------------------
    if step == 0:
        pen.phase("measuring the untrained student")
        measure(0)
    pen.phase("training")
    student.train()
    pace = _Pace()
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

    for group in _from_step(rows, config, step, total):
        stop_here(step)
        if is_on_policy(config, step):
            group = rollouts(student, group, config, pad_id, eos_id)
        batch = collate(group, pad_id, teaching).to(accelerator.device)
        loss, token_losses = learner(batch)
        accelerator.backward(loss)
        norm: Any = accelerator.clip_grad_norm_(learner.parameters(), config.max_grad_norm)
        value = float(loss.detach())
        _refuse_nonsense(value, float(norm), step + 1)  # before it can spoil the weights
        rate = schedule.get_last_lr()[0]
        optimizer.step()
        schedule.step()
        optimizer.zero_grad(set_to_none=True)
        step += 1
        pen.metric(
            step,
            "train",
            {
                "loss": value,
                "learning_rate": rate,
                "grad_norm": float(norm),
                "tokens_per_s": pace.tick(len(token_losses)),
                **_by_slice(token_losses, batch, len(config.slices)),
            },
        )
        pen.progress(step, total, "steps", rate=pace.steps_per_s, loss=value)
        if step % eval_every == 0 or step == total:
            measure(step)
            pace.pause()
        if step % save_every == 0 and step < total:
            save(step)
            saved = step
            pace.pause()
    save(step)


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


def _refuse_nonsense(loss: float, norm: float, step: int) -> None:
    if not math.isfinite(loss) or not math.isfinite(norm):
        raise JobError(f"the loss is {loss} and the gradient norm {norm} at step {step}; lower the learning rate.")
    if loss == 0.0:
        raise JobError(f"the loss is exactly 0 at step {step}: nothing is supervised; check the dataset version.")


def _by_slice(token_losses: torch.Tensor, batch: Batch, slices: int) -> dict[str, float]:
    if slices == 1:
        return {}
    values: dict[str, float] = {}
    for number in range(slices):
        here = batch.slices == number
        if bool(here.any()):
            values[f"loss/slice{number}"] = float(token_losses[here].mean())
    return values


class _Pace:
    """Supervised tokens a second, without the time spent on measuring and saving."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = clock()
        self._seconds = 0.0
        self._steps = 0

    def tick(self, tokens: int) -> float:
        now = self._clock()
        spent, self._last = now - self._last, now
        self._seconds += spent
        self._steps += 1
        return tokens / max(spent, 1e-9)

    def pause(self) -> None:
        self._last = self._clock()

    @property
    def steps_per_s(self) -> float:
        return self._steps / max(self._seconds, 1e-9)
