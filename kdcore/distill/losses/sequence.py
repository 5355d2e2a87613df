"""Learning from text: the negative log-likelihood of given tokens."""

from __future__ import annotations

from torch import Tensor

from kdcore.distill.losses.reduce import masked_mean
from kdcore.errors import ShapeError


def sequence_level_kd(student_logits: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """Cross-entropy on the teacher's text, mean over supervised tokens, in nats.

    ``student_logits`` (B, T, V) predict ``labels`` (B, T) at the same position (already shifted);
    ``mask`` (B, T). Zero only when the student is certain of every token. Kim & Rush 2016; survey Eq. 9.
    Raises ShapeError if the shapes differ.
    """
    if student_logits.shape[:2] != labels.shape:
        raise ShapeError(f"logits {tuple(student_logits.shape)} and labels {tuple(labels.shape)} do not fit.")
    logprobs = student_logits.float().log_softmax(-1)
    picked = logprobs.gather(-1, labels.clamp(min=0).unsqueeze(-1)).squeeze(-1)  # (B, T)
    return masked_mean(-picked, mask)
