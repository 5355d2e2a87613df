"""The output layer and the loss in one pass over chunks of supervised tokens.

Logits for a whole batch are never kept: for each chunk the logits turn in place into the loss's own
gradient, which is multiplied into the hidden states and the head at once. ``losses`` has the same maths
as readable functions; a test holds the two equal.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kdcore.distill.losses.sparse import EPSILON, PADDING


@dataclass(slots=True)
class Targets:
    """What the N supervised tokens of a batch should have been. Rows with ``use_topk`` learn from top-k."""

    labels: Tensor  # (N,) token ids
    weights: Tensor  # (N,) share of each token in the loss
    use_topk: Tensor  # (N,) bool
    topk_ids: Tensor | None = None  # (N, K)
    topk_logprobs: Tensor | None = None  # (N, K)


def head_loss(hidden: Tensor, weight: Tensor, targets: Targets, chunk: int = 512) -> tuple[Tensor, Tensor]:
    """Weighted sum of token losses, and the losses themselves.

    ``hidden`` (N, H) and the head's ``weight`` (V, H). Returns a scalar that carries the gradient and the
    (N,) unweighted losses in nats, which do not. N may be 0.
    """
    return _HeadLoss.apply(hidden, weight, targets, chunk)  # pyright: ignore[reportReturnType]


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, hidden: Tensor, weight: Tensor, targets: Targets, chunk: int) -> tuple[Tensor, Tensor]:
        losses = torch.zeros(len(hidden), device=hidden.device, dtype=torch.float32)
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        grad_weight = torch.zeros_like(weight) if wants_weight else None
        head = weight.to(hidden.dtype)  # under mixed precision the hidden states decide
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), chunk):
                part = slice(start, start + chunk)
                logits = (hidden[part] @ head.t()).float()  # (c, V)
                losses[part] = _loss_to_gradient(logits, targets, part)
                if grad_hidden is None and grad_weight is None:
                    continue
                gradient = logits.mul_(targets.weights[part].unsqueeze(1)).to(hidden.dtype)
                if grad_hidden is not None:
                    torch.mm(gradient, head, out=grad_hidden[part])
                if grad_weight is not None and grad_weight.dtype == hidden.dtype:
                    grad_weight.addmm_(gradient.t(), hidden[part])
                elif grad_weight is not None:
                    grad_weight += gradient.t() @ hidden[part]
        ctx.grad_hidden, ctx.grad_weight = grad_hidden, grad_weight
        ctx.mark_non_differentiable(losses)
        return (losses * targets.weights).sum(), losses

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None, None]:
        scale: Tensor = grads[0]
        hidden, weight = ctx.grad_hidden, ctx.grad_weight
        return (
            hidden.mul_(scale.to(hidden.dtype)) if hidden is not None else None,
            weight.mul_(scale.to(weight.dtype)) if weight is not None else None,
            None,
            None,
        )


def _loss_to_gradient(logits: Tensor, targets: Targets, part: slice) -> Tensor:
    """Overwrite (c, V) logits with d(loss)/d(logits); return the (c,) losses."""
    labels, use_topk = targets.labels[part], targets.use_topk[part]
    log_z = logits.logsumexp(-1)
    at_label = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    loss = log_z - at_label
    if targets.topk_ids is None or targets.topk_logprobs is None or not bool(use_topk.any()):
        logits.sub_(log_z.unsqueeze(1)).exp_()
        logits.scatter_add_(1, labels.unsqueeze(1), torch.full_like(loss, -1.0).unsqueeze(1))
        return loss
    ids = targets.topk_ids[part]
    log_p = targets.topk_logprobs[part].float()
    real = log_p > PADDING / 2  # (c, K)
    p = log_p.exp() * real
    log_q = logits.gather(1, ids) - log_z.unsqueeze(1)  # (c, K)
    q = log_q.exp() * real
    tail_p = (1 - p.sum(1)).clamp(min=0.0)
    tail_q = (1 - q.sum(1)).clamp(min=EPSILON)
    sparse = (p * (log_p - log_q)).sum(1) + torch.xlogy(tail_p, tail_p) - tail_p * tail_q.log()
    # Outside the k tokens the gradient is q·(1 - tail_p/tail_q); for plain rows it is q.
    share = torch.where(use_topk, 1 - tail_p / tail_q, torch.ones_like(tail_p))
    logits.sub_(log_z.unsqueeze(1)).exp_().mul_(share.unsqueeze(1))
    row, column = (real & use_topk.unsqueeze(1)).nonzero(as_tuple=True)
    logits[row, ids[row, column]] = q[row, column] - p[row, column]
    plain = (~use_topk).nonzero().squeeze(1)
    logits[plain, labels[plain]] -= 1.0
    return torch.where(use_topk, sparse, loss)
