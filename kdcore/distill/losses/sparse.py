"""KL from the teacher's stored top-k, with one more category for all other tokens: the tail.

Without the tail bucket the truncated sum is no divergence: it can be negative. With it the value is
never negative and is 0 when the student agrees on the k tokens and on the mass of the rest.
"""

from __future__ import annotations

import torch
from torch import Tensor

from kdcore.distill.losses.reduce import masked_mean
from kdcore.errors import ShapeError

EPSILON = 1e-6
PADDING = -100.0  # log-prob of a column that is no token: rows with a smaller k are filled up with it


def forward_kl(student_logits: Tensor, topk_ids: Tensor, topk_logprobs: Tensor, mask: Tensor) -> Tensor:
    """KL(teacher ‖ student) over k + 1 categories, mean over supervised tokens, in nats.

    ``student_logits`` (B, T, V); ``topk_ids`` and ``topk_logprobs`` (B, T, K) at temperature 1; ``mask``
    (B, T). The gradient on the logits is ``softmax(z) - t`` with t the teacher's top-k and, elsewhere, the
    student's own tail rescaled to the teacher's tail mass. Equals the dense forward_kl at K = V.
    """
    if topk_ids.shape != topk_logprobs.shape or topk_ids.shape[:2] != student_logits.shape[:2]:
        raise ShapeError(
            f"logits {tuple(student_logits.shape)}, top-k ids {tuple(topk_ids.shape)} and log-probs "
            f"{tuple(topk_logprobs.shape)} do not fit."
        )
    wide = torch.promote_types(student_logits.dtype, torch.float32)
    log_q = student_logits.to(wide).log_softmax(-1).gather(-1, topk_ids)  # (B, T, K)
    log_p = topk_logprobs.detach().to(wide)
    real = log_p > PADDING / 2
    p = log_p.exp() * real
    tail_p = (1 - p.sum(-1)).clamp(min=0.0)  # (B, T)
    tail_q = (1 - (log_q.exp() * real).sum(-1)).clamp(min=EPSILON)
    kept = (p * (log_p - log_q)).sum(-1)
    return masked_mean(kept + torch.xlogy(tail_p, tail_p) - tail_p * tail_q.log(), mask)
