"""What is read off each step: losses by row and by slice, the pull of each term, memory, pace."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from typing import Any

import psutil
import torch

from kdcore.distill.batches.batch import Batch, SliceTerms, collate
from kdcore.distill.batches.rows import Row
from kdcore.distill.student.forward import head_of, tokens_read
from kdcore.distill.terms.slices import only


def gradient_shares(model: Any, accelerator: Any, group: list[Row], pad_id: int) -> dict[str, float]:
    """Each slice's share of the gradient, by the norm that it has alone; {} where there is one term only."""
    inner = accelerator.unwrap_model(model)
    whole, add_on, state = inner.slices, inner.similarity, torch.get_rng_state()
    if len(whole) == 1 and add_on is None:
        return {}
    norms: dict[str, float] = {}
    try:
        for number in sorted({row.slice for row in group}):
            inner.similarity = None
            inner.slices = tuple(
                part if place == number else part.model_copy(update={"weight": 0.0})
                for place, part in enumerate(whole)
            )
            norms[f"gradient_share/slice{number}"] = _norm(
                model, accelerator, group, pad_id, only(number, inner.teaching)
            )
        if add_on is not None:
            inner.similarity = add_on
            inner.slices = tuple(part.model_copy(update={"weight": 0.0}) for part in whole)
            norms["gradient_share/similarity"] = _norm(model, accelerator, group, pad_id, only(-1, inner.teaching))
    finally:
        inner.slices, inner.similarity = whole, add_on
        torch.set_rng_state(state)
    sum_of = sum(norms.values()) or 1.0
    return {name: value / sum_of for name, value in norms.items()}


def _norm(model: Any, accelerator: Any, group: list[Row], pad_id: int, teaching: SliceTerms) -> float:
    loss, *_ = model(collate(group, pad_id, teaching).to(accelerator.device))
    accelerator.backward(loss)
    squares = [float(p.grad.square().sum()) for p in model.parameters() if p.grad is not None]
    for parameter in model.parameters():
        parameter.grad = None
    return math.sqrt(sum(squares))


def by_row(batch: Batch, token_losses: torch.Tensor, ranked_losses: torch.Tensor) -> list[tuple[str, int, float]]:
    """Sample, slice and loss of each row of a step: the mean over its tokens, or the loss of its ranking."""
    count = len(batch.sample_ids)
    sums = torch.zeros(count, device=token_losses.device).index_add(0, batch.owner, token_losses)
    means = (sums / torch.bincount(batch.owner, minlength=count).clamp(min=1)).tolist()
    found: dict[int, tuple[int, float]] = {}
    for row, part in zip(batch.owner.tolist(), batch.slices.tolist(), strict=True):
        found[row] = (part, means[row])
    if batch.ranked is not None:
        for group, loss in zip(batch.ranked.groups, ranked_losses.tolist(), strict=True):
            found[group.row] = (group.slice, loss)
    return [(batch.sample_ids[row], part, loss) for row, (part, loss) in sorted(found.items())]


def by_slice(
    token_losses: torch.Tensor, batch: Batch, rows: list[tuple[str, int, float]], slices: int
) -> dict[str, float]:
    """Mean loss of each slice: over tokens, for a ranking slice over rows; {} where there is one slice only."""
    if slices == 1:
        return {}
    values: dict[str, float] = {}
    ranked = {group.slice for group in batch.ranked.groups} if batch.ranked is not None else set[int]()
    for number in range(slices):
        here = batch.slices == number
        if bool(here.any()):
            values[f"loss/slice{number}"] = float(token_losses[here].mean())
        elif number in ranked:
            losses = [loss for _, part, loss in rows if part == number]
            values[f"loss/slice{number}"] = sum(losses) / len(losses)
    return values


def memory_gb() -> float:
    """What the training takes: of the accelerator's memory where there is one, else of this process."""
    if torch.cuda.is_available():
        return torch.cuda.memory_allocated() / 1e9
    return psutil.Process().memory_info().rss / 1e9


def peak_flops(device: Any, dtype: torch.dtype) -> float:
    """What the device reaches on a plain product of large matrices, in FLOP/s: the measure of ``mfu``."""
    size = 4096 if torch.device(device).type == "cuda" else 1024
    own = torch.Generator(device).manual_seed(0)  # the run's random numbers stay as they are
    a, b = (torch.randn(size, size, device=device, dtype=dtype, generator=own) for _ in range(2))
    best = math.inf
    for _ in range(4):
        started = time.perf_counter()
        (a @ b)[0, 0].item()  # waits for the device
        best = min(best, time.perf_counter() - started)
    return 2 * size**3 / best


def step_flops(model: Any, batch: Batch) -> float:
    """FLOP of a training step by the usual count: 6 for each weight and token, the output layer where it is used."""
    head = head_of(model)
    weights = sum(p.numel() for p in model.parameters()) - head.numel()
    learnt = len(batch.positions) + (len(batch.ranked.positions) if batch.ranked is not None else 0)
    return 6.0 * (weights * tokens_read(model, batch) + head.numel() * learnt)


class Throughput:
    """Supervised tokens a second, without the time spent on measuring and saving."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._last = clock()
        self._seconds = 0.0
        self.last_s = 1.0
        self._steps = 0

    def tick(self, tokens: int) -> float:
        """A step is over; its tokens a second."""
        now = self._clock()
        self.last_s, self._last = max(now - self._last, 1e-9), now
        self._seconds += self.last_s
        self._steps += 1
        return tokens / self.last_s

    def pause(self) -> None:
        """Leave out the time since the last step."""
        self._last = self._clock()

    @property
    def steps_per_s(self) -> float:
        """Over all steps so far."""
        return self._steps / max(self._seconds, 1e-9)
