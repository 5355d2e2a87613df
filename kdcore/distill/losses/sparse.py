"""Divergences from the teacher's stored top-k, with one more category for all other tokens: the tail.

Without the tail bucket the truncated sum is no divergence: it can be negative. With it the value is
never negative and is 0 when the student agrees on the k tokens and on the mass of the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kdcore.distill.losses.divergences import Divergence, point
from kdcore.distill.losses.reduce import masked_mean
from kdcore.errors import ShapeError

PADDING = -100.0  # log-prob of a column that is no token: rows with a smaller k are filled up with it


def teacher_categories(topk_logprobs: Tensor) -> Tensor:
    """Log-probs (…, K) of the teacher → (…, K + 1): its tokens, then its tail. A tail of 0 is the smallest float."""
    real = topk_logprobs > PADDING / 2
    return _with_tail(topk_logprobs.masked_fill(~real, PADDING))


def student_categories(log_q: Tensor, topk_logprobs: Tensor) -> Tensor:
    """The student's log-probs (…, K) of the same tokens → (…, K + 1). Padding columns have no mass on either side."""
    real = topk_logprobs > PADDING / 2
    return _with_tail(log_q.masked_fill(~real, PADDING))


def _with_tail(logprobs: Tensor) -> Tensor:
    tail = (1 - logprobs.exp().sum(-1, keepdim=True)).clamp(min=torch.finfo(logprobs.dtype).eps)
    return torch.cat([logprobs, tail.log()], -1)


def divergence(
    student_logits: Tensor, topk_ids: Tensor, topk_logprobs: Tensor, mask: Tensor, between: Divergence
) -> Tensor:
    """Any divergence over k + 1 categories, mean over supervised tokens, in nats.

    ``student_logits`` (B, T, V); ``topk_ids`` and ``topk_logprobs`` (B, T, K) at temperature 1; ``mask``
    (B, T). Equals the dense form at K = V. Raises ShapeError if the shapes differ.
    """
    if topk_ids.shape != topk_logprobs.shape or topk_ids.shape[:2] != student_logits.shape[:2]:
        raise ShapeError(
            f"logits {tuple(student_logits.shape)}, top-k ids {tuple(topk_ids.shape)} and log-probs "
            f"{tuple(topk_logprobs.shape)} do not fit."
        )
    wide = torch.promote_types(student_logits.dtype, torch.float32)
    log_p = topk_logprobs.detach().to(wide)
    log_q = student_logits.to(wide).log_softmax(-1).gather(-1, topk_ids)  # (B, T, K)
    return masked_mean(between(teacher_categories(log_p), student_categories(log_q, log_p)), mask)


def forward_kl(student_logits: Tensor, topk_ids: Tensor, topk_logprobs: Tensor, mask: Tensor) -> Tensor:
    """KL(teacher ‖ student). See ``divergence`` for shapes.

    The gradient on the logits is ``softmax(z) - t`` with t the teacher's top-k and, elsewhere, the student's
    own tail rescaled to the teacher's tail mass.
    """
    return divergence(student_logits, topk_ids, topk_logprobs, mask, point("forward_kl"))


def sampled_forward_kl(
    student_logits: Tensor,
    topk_ids: Tensor,
    topk_logprobs: Tensor,
    tail_ids: Tensor,
    tail_logprobs: Tensor,
    mask: Tensor,
) -> Tensor:
    """KL(teacher ‖ student) from the top-k and m words drawn from the tail: no word is left out on average.

    Σ_k p·log(p/q) + (tail mass / m)·Σ_drawn log(p/q): value and gradient are those of the dense ``forward_kl`` in
    expectation over the draws, and 0 where the two agree, whereas the tail bucket learns nothing about the tail's
    own words. A single draw may come out below 0. ``tail_ids`` and ``tail_logprobs`` (B, T, m) are drawn with
    replacement by the teacher's probabilities; their log-probs are the teacher's, of the whole vocabulary. See
    ``divergence`` for the other shapes. Anshumann et al. 2025 (Sparse Logit Sampling, arXiv 2503.16870).
    """
    if tail_ids.shape != tail_logprobs.shape or tail_ids.shape[:2] != topk_ids.shape[:2]:
        raise ShapeError(
            f"drawn ids {tuple(tail_ids.shape)} and log-probs {tuple(tail_logprobs.shape)} do not fit top-k ids "
            f"{tuple(topk_ids.shape)}."
        )
    wide = torch.promote_types(student_logits.dtype, torch.float32)
    log_q = student_logits.to(wide).log_softmax(-1)
    log_p, log_t = topk_logprobs.detach().to(wide), tail_logprobs.detach().to(wide)
    p = torch.where(log_p > PADDING / 2, log_p.exp(), 0.0)
    mass = (1 - p.sum(-1)).clamp(min=0.0)
    kept = (p * (log_p - log_q.gather(-1, topk_ids))).sum(-1)
    sampled = mass * (log_t - log_q.gather(-1, tail_ids)).mean(-1)
    return masked_mean(kept + sampled, mask)


def reverse_kl(student_logits: Tensor, topk_ids: Tensor, topk_logprobs: Tensor, mask: Tensor) -> Tensor:
    """KL(student ‖ teacher). See ``divergence`` for shapes."""
    return divergence(student_logits, topk_ids, topk_logprobs, mask, point("reverse_kl"))


def generalized_jsd(
    student_logits: Tensor, topk_ids: Tensor, topk_logprobs: Tensor, mask: Tensor, beta: float = 0.5
) -> Tensor:
    """The mixture of GKD Eq. 1, β as in ``divergences.generalized_jsd``. See ``divergence`` for shapes."""
    return divergence(student_logits, topk_ids, topk_logprobs, mask, point("generalized_jsd", beta=beta))
