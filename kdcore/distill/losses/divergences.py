"""Divergences between two full next-token distributions. Nats per supervised token, times temperature².

All take logits (B, T, V) and a mask (B, T), all are 0 when the two agree, and none lets a gradient
into the teacher. Hinton et al. 2015 for the temperature; Agarwal et al. 2024 (GKD) for the mixtures.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from kdcore.distill.losses.reduce import masked_mean
from kdcore.errors import ConfigError, ShapeError


def _log_distributions(student: Tensor, teacher: Tensor, temperature: float) -> tuple[Tensor, Tensor]:
    if student.shape != teacher.shape:
        raise ShapeError(
            f"student logits {tuple(student.shape)} and teacher logits {tuple(teacher.shape)} differ; "
            "the two need the same tokenizer and the same tokens."
        )
    wide = torch.promote_types(student.dtype, torch.float32)
    log_q = (student.to(wide) / temperature).log_softmax(-1)
    log_p = (teacher.detach().to(wide) / temperature).log_softmax(-1)
    return log_q, log_p


def _kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """KL(a ‖ b) at each position: (B, T, V) → (B, T)."""
    return (log_a.exp() * (log_a - log_b)).sum(-1)


def forward_kl(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher ‖ student): covers all that the teacher may say. Survey Eq. 10."""
    log_q, log_p = _log_distributions(student_logits, teacher_logits, temperature)
    return masked_mean(_kl(log_p, log_q), mask) * temperature**2


def reverse_kl(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(student ‖ teacher): seeks what the teacher says most. Gu et al. 2024 (MiniLLM)."""
    log_q, log_p = _log_distributions(student_logits, teacher_logits, temperature)
    return masked_mean(_kl(log_q, log_p), mask) * temperature**2


def generalized_jsd(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0, beta: float = 0.5
) -> Tensor:
    """β·KL(teacher ‖ m) + (1-β)·KL(student ‖ m), m = β·teacher + (1-β)·student. GKD Eq. 1.

    β = 0 and β = 1 are defined as ``forward_kl`` and ``reverse_kl``; the formula itself tends to 0 there.
    Raises ConfigError for a β outside [0, 1].
    """
    if not 0 <= beta <= 1:
        raise ConfigError(f"beta is {beta}; it must lie between 0 and 1.")
    if beta == 0:
        return forward_kl(student_logits, teacher_logits, mask, temperature)
    if beta == 1:
        return reverse_kl(student_logits, teacher_logits, mask, temperature)
    log_q, log_p = _log_distributions(student_logits, teacher_logits, temperature)
    log_m = torch.logaddexp(log_p + math.log(beta), log_q + math.log1p(-beta))
    value = beta * _kl(log_p, log_m) + (1 - beta) * _kl(log_q, log_m)
    return masked_mean(value, mask) * temperature**2


def skew_kl(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0, alpha: float = 0.1
) -> Tensor:
    """KL(teacher ‖ α·teacher + (1-α)·student). Ko et al. 2024 (DistiLLM). Raises ConfigError unless 0 ≤ α < 1."""
    if not 0 <= alpha < 1:
        raise ConfigError(f"alpha is {alpha}; it must be at least 0 and below 1.")
    log_q, log_p = _log_distributions(student_logits, teacher_logits, temperature)
    mixed = torch.logaddexp(log_p + math.log(alpha), log_q + math.log1p(-alpha)) if alpha else log_q
    return masked_mean(_kl(log_p, mixed), mask) * temperature**2


def total_variation(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """½ Σ|p - q|, between 0 and 1 at temperature 1. Wen et al. 2023 (f-distill)."""
    log_q, log_p = _log_distributions(student_logits, teacher_logits, temperature)
    return masked_mean(0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1), mask) * temperature**2
