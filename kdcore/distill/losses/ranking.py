"""Losses over answers of different worth. Log-probs are sums over an answer's tokens, in nats, unless said."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from kdcore.errors import ShapeError


def dpo(
    policy_chosen: Tensor, policy_rejected: Tensor, ref_chosen: Tensor, ref_rejected: Tensor, beta: float = 0.1
) -> Tensor:
    """-log σ(β·[(π_chosen - ref_chosen) - (π_rejected - ref_rejected)]), mean over the (B,) pairs.

    log 2 at policy = reference. Rafailov et al. 2023 (arXiv 2305.18290), Eq. 7; survey Eq. 14.
    Raises ShapeError unless the four have one shape.
    """
    shapes = {tuple(x.shape) for x in (policy_chosen, policy_rejected, ref_chosen, ref_rejected)}
    if len(shapes) != 1:
        raise ShapeError(f"the four log-probs must have one shape, given {sorted(shapes)}.")
    margin = (policy_chosen - ref_chosen.detach()) - (policy_rejected - ref_rejected.detach())
    return -logsigmoid(beta * margin).mean()


def rrhf(logprobs: Tensor, rewards: Tensor) -> Tensor:
    """Σ over pairs with r_i < r_j of max(0, p_i - p_j), mean over the batch. ``logprobs``, ``rewards`` (B, N).

    Yuan et al. 2023 (arXiv 2304.05302), §3, where p is the log-prob divided by the answer's length; survey Eq. 15.
    Raises ShapeError unless the two have one shape.
    """
    if logprobs.shape != rewards.shape:
        raise ShapeError(f"log-probs {tuple(logprobs.shape)} and rewards {tuple(rewards.shape)} must fit.")
    worse = rewards.unsqueeze(2) < rewards.unsqueeze(1)  # (B, N, N): r_i < r_j
    gap = logprobs.unsqueeze(2) - logprobs.unsqueeze(1)  # p_i - p_j
    return (gap.clamp(min=0) * worse).sum((1, 2)).mean()


def pro(logprobs: Tensor) -> Tensor:
    """-Σ_{k<N} log( exp p_k / Σ_{i≥k} exp p_i ), best answer first, mean over the batch. ``logprobs`` (B, N).

    Song et al. 2023 (arXiv 2306.17492); survey Eq. 16.
    """
    rest = logprobs.flip(1).logcumsumexp(1).flip(1)  # (B, N): log Σ_{i≥k} exp p_i
    return (rest - logprobs)[:, :-1].sum(1).mean()


def kto(policy: Tensor, ref: Tensor, good: Tensor, baseline: float | Tensor = 0.0, beta: float = 0.1) -> Tensor:
    """1 - σ(β·(reward - baseline)) for good answers, 1 - σ(β·(baseline - reward)) for bad ones; mean over (B,).

    reward = π - ref; ``good`` (B,) bool; ``baseline`` is an estimate of KL(π ‖ ref) ≥ 0 without a gradient.
    Ethayarajh et al. 2024 (arXiv 2402.01306), §4, with both weights 1.
    """
    if not policy.shape == ref.shape == good.shape:
        raise ShapeError(
            f"log-probs {tuple(policy.shape)}, {tuple(ref.shape)} and labels {tuple(good.shape)} differ."
        )
    margin = policy - ref.detach() - baseline
    return (1 - torch.sigmoid(beta * torch.where(good.bool(), margin, -margin))).mean()


# ---- of the answers to one question, best first -----------------------------------------------------------------
@dataclass(frozen=True, slots=True)
class Answers:
    """The N answers to one question, best first.

    ``sums`` of token log-probs (N,), ``lengths`` (N,), and the same sums under the student as it began (N,), None
    where the loss does not ask for them. A single one may be ``undesirable``.
    """

    sums: Tensor
    lengths: Tensor
    reference: Tensor | None = None
    undesirable: bool = False

    @property
    def means(self) -> Tensor:
        """Mean log-prob of a token of each answer, (1, N): length does not decide."""
        return (self.sums / self.lengths).unsqueeze(0)

    def ends(self) -> tuple[Tensor, Tensor]:
        """Best and worst: their sums (2,) now and at the start; the only one (1,) where there is one."""
        assert self.reference is not None
        places = [0, -1] if len(self.sums) > 1 else [0]
        return self.sums[places], self.reference[places]


def _dpo_of(answers: Answers, beta: float) -> Tensor:
    now, start = answers.ends()
    return dpo(now[:1], now[1:], start[:1], start[1:], beta)


def _kto_of(answers: Answers, beta: float) -> Tensor:
    now, start = answers.ends()
    good = torch.tensor([not answers.undesirable, False][: len(now)], device=now.device)
    return kto(now, start, good, beta=beta)


def _rrhf_of(answers: Answers) -> Tensor:
    means = answers.means
    order = torch.arange(means.shape[1], 0, -1, device=means.device, dtype=means.dtype).unsqueeze(0)
    return rrhf(means, order)


def _pro_of(answers: Answers) -> Tensor:
    return pro(answers.means)


# name of the loss → its value for the answers to one question; further arguments are the fields of its config
RANKINGS: dict[str, Callable[..., Tensor]] = {"dpo": _dpo_of, "kto": _kto_of, "rrhf": _rrhf_of, "pro": _pro_of}
