"""Losses between hidden states of student and teacher: an add-on beside a token loss, never alone (survey Eq. 11).

States are (B, T, H) of the same tokens and of one width (a learned projector makes it so); ``mask`` (B, T).
Means over supervised tokens; all but ``hidden_cross_entropy`` are 0 at equality; no gradient reaches the teacher.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kdcore.distill.losses.reduce import masked_mean
from kdcore.errors import ShapeError

BANDWIDTHS = (0.5, 1.0, 2.0)  # of the kernel, in units of the mean squared norm of the teacher's states


def _pair(student: Tensor, teacher: Tensor) -> tuple[Tensor, Tensor]:
    if student.shape != teacher.shape:
        raise ShapeError(
            f"student states {tuple(student.shape)} and teacher states {tuple(teacher.shape)} differ; "
            "project the student's to the teacher's width first."
        )
    wide = torch.promote_types(student.dtype, torch.float32)
    return student.to(wide), teacher.detach().to(wide)


def hidden_mse(student_states: Tensor, teacher_states: Tensor, mask: Tensor) -> Tensor:
    """Mean squared difference of the coordinates (the L2 of survey Eq. 11, squared and averaged over H)."""
    s, t = _pair(student_states, teacher_states)
    return masked_mean((s - t).square().mean(-1), mask)


def hidden_l1(student_states: Tensor, teacher_states: Tensor, mask: Tensor) -> Tensor:
    """Mean absolute difference of the coordinates."""
    s, t = _pair(student_states, teacher_states)
    return masked_mean((s - t).abs().mean(-1), mask)


def hidden_cosine(student_states: Tensor, teacher_states: Tensor, mask: Tensor) -> Tensor:
    """1 - cosine, between 0 and 2."""
    s, t = _pair(student_states, teacher_states)
    return masked_mean(1 - torch.cosine_similarity(s, t, dim=-1), mask)


def hidden_cross_entropy(student_states: Tensor, teacher_states: Tensor, mask: Tensor) -> Tensor:
    """-Σ softmax(teacher)·log softmax(student) over the coordinates, in nats; its least value is the entropy."""
    s, t = _pair(student_states, teacher_states)
    return masked_mean(-(t.softmax(-1) * s.log_softmax(-1)).sum(-1), mask)


def hidden_mmd(student_states: Tensor, teacher_states: Tensor, mask: Tensor) -> Tensor:
    """Squared maximum mean discrepancy of the two clouds of supervised states, Gaussian kernels.

    Biased estimate (never negative) over all supervised tokens of the batch. Gretton et al. 2012, Eq. 5.
    """
    s, t = _pair(student_states, teacher_states)
    keep = mask.bool()
    s, t = s[keep], t[keep]  # (N, H)
    if not len(s):
        return student_states.sum() * 0.0
    both = torch.cat([s, t])
    squares = both.square().sum(-1)
    distances = (squares[:, None] + squares[None] - 2 * both @ both.t()).clamp(min=0)
    scale = t.square().sum(-1).mean().clamp(min=torch.finfo(s.dtype).eps)
    kernel = torch.stack([(-distances / (width * scale)).exp() for width in BANDWIDTHS]).mean(0)
    n = len(s)
    return kernel[:n, :n].mean() + kernel[n:, n:].mean() - 2 * kernel[:n, n:].mean()


def attention_transfer(student_attention: Tensor, teacher_attention: Tensor, mask: Tensor) -> Tensor:
    """KL(teacher ‖ student) of attention, mean over heads' averages and supervised queries, in nats.

    ``*_attention`` (B, heads, T, T), each row summing to 1; the numbers of heads may differ. ``mask`` (B, T)
    marks the queries. Wang et al. 2020 (MiniLM, arXiv 2002.10957), §3.1, on the average head.
    """
    if student_attention.shape[-2:] != teacher_attention.shape[-2:]:
        raise ShapeError(
            f"attention of {tuple(student_attention.shape)} and {tuple(teacher_attention.shape)} "
            "must be over the same tokens."
        )
    s, t = student_attention.mean(1), teacher_attention.detach().mean(1)  # (B, T, T)
    wide = torch.promote_types(s.dtype, torch.float32)
    s, t = s.to(wide), t.to(wide)
    return masked_mean((torch.xlogy(t, t) - torch.xlogy(t, s.clamp(min=torch.finfo(wide).tiny))).sum(-1), mask)
