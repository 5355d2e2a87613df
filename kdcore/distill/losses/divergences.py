"""Divergences between two next-token distributions. Nats per supervised token, times temperature².

Each is written once, as a function of log-probabilities over any set of categories (``DIVERGENCES``): the whole
vocabulary here, the teacher's top-k and a tail in ``sparse``, a chunk of either in ``distill.terms.chunked_loss``.

The public functions take logits (B, T, V) and a mask (B, T), all are 0 when the two agree, and none lets a
gradient into the teacher. Hinton et al. 2015 for the temperature; Agarwal et al. 2024 (GKD) for the mixtures.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from kdcore.configs.base import load_config
from kdcore.configs.losses import LOSSES
from kdcore.distill.losses.reduce import masked_mean
from kdcore.errors import ConfigError, ShapeError

Divergence = Callable[[Tensor, Tensor], Tensor]  # teacher's and student's log-probs (…, C) → the divergence (…)
HEAD_MASS = 0.5  # adaptive_kl: the likeliest words that hold this share of the teacher's mass are its head


def _kl(log_a: Tensor, log_b: Tensor) -> Tensor:
    """KL(a ‖ b) over the last dimension."""
    return (log_a.exp() * (log_a - log_b)).sum(-1)


def _forward(log_p: Tensor, log_q: Tensor) -> Tensor:
    return _kl(log_p, log_q)


def _reverse(log_p: Tensor, log_q: Tensor) -> Tensor:
    return _kl(log_q, log_p)


def _mixed(log_p: Tensor, log_q: Tensor, share: float) -> Tensor:
    """log(share·p + (1 - share)·q)."""
    return torch.logaddexp(log_p + math.log(share), log_q + math.log1p(-share))


def _jsd(log_p: Tensor, log_q: Tensor, beta: float) -> Tensor:
    if beta in (0, 1):
        return _forward(log_p, log_q) if beta == 0 else _reverse(log_p, log_q)
    log_m = _mixed(log_p, log_q, beta)
    return beta * _kl(log_p, log_m) + (1 - beta) * _kl(log_q, log_m)


def _skew(log_p: Tensor, log_q: Tensor, alpha: float) -> Tensor:
    return _kl(log_p, _mixed(log_p, log_q, alpha) if alpha else log_q)


def _skew_reverse(log_p: Tensor, log_q: Tensor, alpha: float) -> Tensor:
    return _kl(log_q, _mixed(log_q, log_p, alpha) if alpha else log_p)


def _variation(log_p: Tensor, log_q: Tensor) -> Tensor:
    return 0.5 * (log_p.exp() - log_q.exp()).abs().sum(-1)


def _rank_distance(log_p: Tensor, log_q: Tensor) -> Tensor:
    return (log_p.exp() - log_q.exp()).abs().sum(-1)


def _adaptive(log_p: Tensor, log_q: Tensor) -> Tensor:
    p, q = log_p.exp(), log_q.detach().exp()
    best, order = p.sort(dim=-1, descending=True)
    before = best.cumsum(-1) - best
    gaps = (best - q.gather(-1, order)).abs()
    head = (gaps * (before < HEAD_MASS)).sum(-1)
    share = head / gaps.sum(-1).clamp(min=torch.finfo(p.dtype).tiny)
    return share * _forward(log_p, log_q) + (1 - share) * _reverse(log_p, log_q)


# name of the loss → its function of both sides' log-probs; further arguments are the fields of its config
DIVERGENCES: dict[str, Callable[..., Tensor]] = {
    "forward_kl": _forward,
    "reverse_kl": _reverse,
    "generalized_jsd": _jsd,
    "skew_kl": _skew,
    "skew_reverse_kl": _skew_reverse,
    "adaptive_kl": _adaptive,
    "total_variation": _variation,
    "universal_logit": _rank_distance,  # of categories in the order of their rank
}


def divergence(name: str, **settings: float) -> Divergence:
    """The divergence of that name over log-probabilities, with the settings of its config.

    Raises ConfigError for an unknown name, and for a setting that the loss does not have or that is out of its range.
    """
    if name not in DIVERGENCES:
        raise ConfigError(f'unknown divergence "{name}"; known: {", ".join(DIVERGENCES)}.')
    known = load_config(LOSSES[name].config, settings)
    return partial(DIVERGENCES[name], **known.model_dump())


def point(name: str, *, beta: float = 0.5, alpha: float = 0.1) -> Divergence:
    """``divergence`` for a loss of this file, β and α being heard by those that have them.

    Raises ConfigError for an unknown name, a β outside [0, 1] or an α outside [0, 1).
    """
    if not 0 <= beta <= 1:
        raise ConfigError(f"beta is {beta}; it must lie between 0 and 1.")
    if not 0 <= alpha < 1:
        raise ConfigError(f"alpha is {alpha}; it must be at least 0 and below 1.")
    has = LOSSES[name].config.model_fields if name in LOSSES else {}
    return divergence(name, **{key: value for key, value in {"beta": beta, "alpha": alpha}.items() if key in has})


def _dense(student: Tensor, teacher: Tensor, mask: Tensor, temperature: float, between: Divergence) -> Tensor:
    if student.shape != teacher.shape:
        raise ShapeError(
            f"student logits {tuple(student.shape)} and teacher logits {tuple(teacher.shape)} differ; "
            "the two need the same tokenizer and the same tokens."
        )
    if temperature <= 0:
        raise ConfigError(f"the temperature is {temperature}; it must be above 0.")
    wide = torch.promote_types(student.dtype, torch.float32)
    log_q = (student.to(wide) / temperature).log_softmax(-1)
    log_p = (teacher.detach().to(wide) / temperature).log_softmax(-1)
    return masked_mean(between(log_p, log_q), mask) * temperature**2


def forward_kl(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(teacher ‖ student): covers all that the teacher may say. Survey Eq. 10."""
    return _dense(student_logits, teacher_logits, mask, temperature, _forward)


def reverse_kl(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(student ‖ teacher): seeks what the teacher says most. Gu et al. 2024 (MiniLLM)."""
    return _dense(student_logits, teacher_logits, mask, temperature, _reverse)


def generalized_jsd(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0, beta: float = 0.5
) -> Tensor:
    """β·KL(teacher ‖ m) + (1-β)·KL(student ‖ m), m = β·teacher + (1-β)·student. GKD Eq. 1.

    β = 0 and β = 1 are defined as ``forward_kl`` and ``reverse_kl``; the formula itself tends to 0 there.
    Raises ConfigError for a β outside [0, 1].
    """
    return _dense(student_logits, teacher_logits, mask, temperature, point("generalized_jsd", beta=beta))


def skew_kl(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0, alpha: float = 0.1
) -> Tensor:
    """KL(teacher ‖ α·teacher + (1-α)·student). Ko et al. 2024 (DistiLLM). Raises ConfigError unless 0 ≤ α < 1."""
    return _dense(student_logits, teacher_logits, mask, temperature, point("skew_kl", alpha=alpha))


def skew_reverse_kl(
    student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0, alpha: float = 0.1
) -> Tensor:
    """KL(student ‖ α·student + (1-α)·teacher). Ko et al. 2024 (DistiLLM). Raises ConfigError unless 0 ≤ α < 1."""
    return _dense(student_logits, teacher_logits, mask, temperature, point("skew_reverse_kl", alpha=alpha))


def adaptive_kl(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """w·KL(teacher ‖ student) + (1-w)·KL(student ‖ teacher), w = the head's share of Σ|p - q|, at each position.

    The head is the teacher's likeliest words up to half of its mass; w carries no gradient.
    Wu et al. 2024 (arXiv 2404.02657), §4.
    """
    return _dense(student_logits, teacher_logits, mask, temperature, _adaptive)


def total_variation(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """½ Σ|p - q|, between 0 and 1 at temperature 1. Wen et al. 2023 (f-distill)."""
    return _dense(student_logits, teacher_logits, mask, temperature, _variation)


def universal_logit(student_logits: Tensor, teacher_logits: Tensor, mask: Tensor, temperature: float = 1.0) -> Tensor:
    """Σ|p_(i) - q_(i)| over ranks i, each side sorted by itself: words need not be the same, nor as many.

    ``student_logits`` (B, T, V), ``teacher_logits`` (B, T, W); the shorter is filled up with zeros. Between 0 and 2
    at temperature 1. Boizard et al. 2024 (ULD, arXiv 2402.12030), Eq. 5. Raises ShapeError unless (B, T) are equal.
    """
    if student_logits.shape[:2] != teacher_logits.shape[:2]:
        raise ShapeError(
            f"student logits {tuple(student_logits.shape)} and teacher logits {tuple(teacher_logits.shape)} are of "
            "different places; align the two texts first."
        )
    if temperature <= 0:
        raise ConfigError(f"the temperature is {temperature}; it must be above 0.")
    wide = torch.promote_types(student_logits.dtype, torch.float32)
    sides = [(x.to(wide) / temperature).softmax(-1) for x in (student_logits, teacher_logits.detach())]
    most = max(side.shape[-1] for side in sides)
    q, p = (torch.nn.functional.pad(x.sort(dim=-1, descending=True)[0], (0, most - x.shape[-1])) for x in sides)
    return masked_mean((p - q).abs().sum(-1), mask) * temperature**2
