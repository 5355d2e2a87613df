"""Ranking slices: the log-prob of whole answers, their order taught by the losses of ``losses.ranking``.

A row carries its answers best first. ``dpo`` learns the first against the last; ``kto`` the same two each by
itself, or the one answer of a row that people called good or bad, with a baseline of 0; ``rrhf`` and ``pro`` the
order of all, by the mean log-prob of a token so that length does not decide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from kdcore.configs.distillation import SliceConfig
from kdcore.distill.batches.batch import PreferenceBatch, PreferenceGroup
from kdcore.distill.losses.ranking import RANKINGS, Answers
from kdcore.distill.student.output_layer import logits_of, product


class _TokenLogprobs(torch.autograd.Function):
    """log q(label) of each state without the logits of all: they are made again, chunk by chunk, on the way back."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, labels: Tensor, chunk: int) -> Tensor:
        head = weight.to(hidden.dtype)
        found = torch.empty(len(hidden), device=hidden.device, dtype=torch.float32)
        totals = torch.empty_like(found)
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), chunk):
                part = slice(start, start + chunk)
                logits = logits_of(hidden[part], head)  # (c, V)
                totals[part] = logits.logsumexp(-1)
                found[part] = logits.gather(1, labels[part].unsqueeze(1)).squeeze(1) - totals[part]
        ctx.save_for_backward(hidden, weight, labels, totals)
        ctx.chunk = chunk
        return found

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None, None]:
        hidden, weight, labels, totals = ctx.saved_tensors
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        head = weight.to(hidden.dtype)
        grad_hidden = torch.zeros_like(hidden) if wants_hidden else None
        grad_weight = torch.zeros_like(weight) if wants_weight else None
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), ctx.chunk):
                part = slice(start, start + ctx.chunk)
                down = logits_of(hidden[part], head).sub_(totals[part].unsqueeze(1)).exp_().neg_()
                down[torch.arange(len(down), device=down.device), labels[part]] += 1.0  # onehot - softmax
                down = down.mul_(grads[0][part].unsqueeze(1)).to(hidden.dtype)
                if grad_hidden is not None:
                    grad_hidden[part] = down @ head
                if grad_weight is not None:
                    grad_weight += product(down.t(), hidden[part]).to(weight.dtype)
        return grad_hidden, grad_weight, None, None


def token_logprobs(hidden: Tensor, weight: Tensor, labels: Tensor, chunk: int = 512) -> Tensor:
    """Log-probs (M,) in nats of ``labels`` (M,) under states (M, H) and a head (V, H); M may be 0."""
    return _TokenLogprobs.apply(hidden, weight, labels, chunk)  # pyright: ignore[reportReturnType]


def answer_logprobs(states: Tensor, weight: Tensor, ranked: PreferenceBatch, chunk: int) -> tuple[Tensor, Tensor]:
    """The sums (S,) of the S answers' token log-probs, and their lengths (S,), at least 1.

    ``states`` (M, H) are those at ``ranked.positions``.
    """
    each = token_logprobs(states, weight, ranked.labels, chunk)
    answers = sum(group.count for group in ranked.groups)
    sums = torch.zeros(answers, device=each.device).index_add(0, ranked.owner, each)
    lengths = torch.bincount(ranked.owner, minlength=answers).clamp(min=1)
    return sums, lengths


def ranking_loss(
    sums: Tensor, lengths: Tensor, groups: Sequence[PreferenceGroup], slices: Sequence[SliceConfig], rows: int
) -> tuple[Tensor, Tensor]:
    """Σ of weight · loss over the groups, divided by the ``rows`` of the step; and the losses themselves."""
    losses = [_of_one(sums, lengths, group, slices[group.slice]) for group in groups]
    each = torch.stack(losses)
    weights = torch.tensor([slices[group.slice].weight for group in groups], device=each.device)
    return (each * weights).sum() / rows, each.detach()


def _of_one(sums: Tensor, lengths: Tensor, group: PreferenceGroup, part: SliceConfig) -> Tensor:
    here = slice(group.first, group.first + group.count)
    reference = None
    if part.traits.from_reference:
        assert group.reference is not None
        reference = sums.new_tensor(group.reference)
    answers = Answers(sums[here], lengths[here], reference, group.undesirable)
    return RANKINGS[part.loss](answers, **part.loss_config)


def margins(sums: Tensor, lengths: Tensor, groups: Sequence[PreferenceGroup]) -> dict[str, float]:
    """``preferred``: share of groups whose best answer is likelier, token for token, than their worst.

    ``margin``: by how many nats more than at the start, where that is known. Single answers tell ``gain/good`` and
    ``gain/bad``: the nats that they gained since the start. Empty without groups.
    """
    values = _gains(sums, [group for group in groups if group.count == 1])
    groups = [group for group in groups if group.count > 1]
    if not groups:
        return values
    means = (sums / lengths).tolist()
    last = [group.first + group.count - 1 for group in groups]
    wins = [means[group.first] > means[end] for group, end in zip(groups, last, strict=True)]
    values["preferred"] = sum(wins) / len(wins)
    gained = [
        float(sums[group.first] - sums[end]) - (group.reference[0] - group.reference[-1])
        for group, end in zip(groups, last, strict=True)
        if group.reference is not None
    ]
    return values | ({"margin": sum(gained) / len(gained)} if gained else {})


def _gains(sums: Tensor, groups: Sequence[PreferenceGroup]) -> dict[str, float]:
    found: dict[str, list[float]] = {}
    for group in groups:
        if group.reference is not None:
            name = "gain/bad" if group.undesirable else "gain/good"
            found.setdefault(name, []).append(float(sums[group.first]) - group.reference[0])
    return {name: sum(values) / len(values) for name, values in found.items()}
