"""The output layer and the loss in one pass over chunks of supervised tokens.

Logits for a whole batch are never kept: for each chunk the logits turn in place into the loss's own
gradient, which is multiplied into the hidden states and the head at once. ``losses`` has the same maths
as readable functions; a test holds the two equal.

A divergence reaches the logits through softmax: with g = ∂f/∂log q over its categories and G = Σg, the
gradient at a word is g_word - q_word·G, and at a word of the tail q_word·(g_tail / q_tail - G).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from kdcore.distill.batches.targets import TEXT, LossTerm, Targets
from kdcore.distill.losses.divergences import Divergence
from kdcore.distill.losses.sparse import PADDING, student_categories, teacher_categories
from kdcore.distill.student.output_layer import logits_of, product


@dataclass(slots=True)
class LiveTeacher:
    """The teacher's hidden states (N, Ht) of the same tokens and its head (V, Ht); neither gets a gradient."""

    hidden: Tensor
    head: Tensor


def head_loss(
    hidden: Tensor,
    weight: Tensor,
    targets: Targets,
    terms: Sequence[LossTerm] = (),
    chunk: int = 512,
    teacher: LiveTeacher | None = None,
) -> tuple[Tensor, Tensor]:
    """Weighted sum of token losses, and the losses themselves.

    ``hidden`` (N, H) and the head's ``weight`` (V, H). Returns a scalar that carries the gradient and the
    (N,) unweighted losses in nats, which do not. N may be 0.
    """
    return _HeadLoss.apply(hidden, weight, targets, terms, chunk, teacher)  # pyright: ignore[reportReturnType]


class _HeadLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        hidden: Tensor,
        weight: Tensor,
        targets: Targets,
        terms: Sequence[LossTerm],
        chunk: int,
        teacher: LiveTeacher | None,
    ) -> tuple[Tensor, Tensor]:
        losses = torch.zeros(len(hidden), device=hidden.device, dtype=torch.float32)
        wants_hidden, wants_weight = ctx.needs_input_grad[:2]
        grad_hidden = torch.empty_like(hidden) if wants_hidden else None
        grad_weight = torch.empty_like(weight) if wants_weight else None
        if grad_weight is not None and not len(hidden):
            grad_weight.zero_()
        head = weight.to(hidden.dtype)  # under mixed precision the hidden states decide
        with torch.autocast(hidden.device.type, enabled=False):
            for start in range(0, len(hidden), chunk):
                part = slice(start, start + chunk)
                logits = logits_of(hidden[part], head)  # (c, V)
                losses[part] = _loss_to_gradient(logits, targets, terms, part, teacher)
                if grad_hidden is None and grad_weight is None:
                    continue
                gradient = logits.to(hidden.dtype)
                if grad_hidden is not None:
                    torch.mm(gradient, head, out=grad_hidden[part])
                if grad_weight is not None:
                    _add_product(grad_weight, gradient, hidden[part], first=start == 0)
        ctx.grad_hidden, ctx.grad_weight = grad_hidden, grad_weight
        ctx.mark_non_differentiable(losses)
        return (losses * targets.weights).sum(), losses

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[Tensor | None, Tensor | None, None, None, None, None]:
        scale = float(grads[0])
        if scale != 1.0:  # another pass over the whole head, so only where it changes something
            for gradient in (ctx.grad_hidden, ctx.grad_weight):
                if gradient is not None:
                    gradient.mul_(scale)
        found = ctx.grad_hidden, ctx.grad_weight
        ctx.grad_hidden = ctx.grad_weight = None  # held by nobody else, a gradient of the head's size is not copied
        return *found, None, None, None, None


def _add_product(total: Tensor, gradient: Tensor, hidden: Tensor, first: bool) -> None:
    """Add gradientᵀ (V, c) · hidden (c, H) to the ``total`` (V, H); the first writes over what the buffer held."""
    if total.dtype == hidden.dtype:
        torch.addmm(total, gradient.t(), hidden, beta=0 if first else 1, out=total)
    elif first:
        total.copy_(product(gradient.t(), hidden))
    else:
        total += product(gradient.t(), hidden)


def _loss_to_gradient(
    logits: Tensor, targets: Targets, terms: Sequence[LossTerm], part: slice, teacher: LiveTeacher | None
) -> Tensor:
    """Overwrite (c, V) logits with the gradient of Σ weight · loss; return the (c,) losses without their weights.

    Each pass over the logits costs as much as a tenth of the products around it, so all kinds share the softmax's.
    """
    labels, kinds, weights = targets.labels[part], targets.kinds[part], targets.weights[part]
    of_label = logits.gather(1, labels.unsqueeze(1)).squeeze(1)
    rows_of = [(kinds == place).nonzero().squeeze(1) for place in range(len(terms))]
    live = {
        place: _live(logits[rows], _asked(teacher, part, rows), term)
        for place, (term, rows) in enumerate(zip(terms, rows_of, strict=True))
        if term.live and len(rows)
    }
    stored = {
        place: _stored_words(logits, targets, part, rows, term)
        for place, (term, rows) in enumerate(zip(terms, rows_of, strict=True))
        if not term.live and len(rows)
    }
    top = logits.amax(-1, keepdim=True)
    total = logits.sub_(top).exp_().sum(-1)  # the logits are exp(z - top) from here on
    log_z = top.squeeze(1) + total.log()
    losses = log_z - of_label  # of the text; the terms overwrite theirs
    scale = weights / total
    corrections: list[tuple[Tensor, Tensor, Tensor]] = []
    for place, (ids, raw, log_p) in stored.items():
        rows = rows_of[place]
        losses[rows], share, at, values = _stored(raw - log_z[rows].unsqueeze(1), log_p, terms[place])
        if targets.offsets is not None:
            losses[rows] += targets.offsets[part][rows]
        scale[rows] *= share
        corrections.append((rows[at[0]], ids[at], values * weights[rows[at[0]]]))
    logits.mul_(scale.unsqueeze(1))
    for rows, columns, values in corrections:
        logits[rows, columns] = values
    text = (kinds == TEXT).nonzero().squeeze(1)
    logits[text, labels[text]] -= weights[text]
    for place, (values, gradient) in live.items():
        losses[rows_of[place]] = values
        logits[rows_of[place]] = gradient.mul_(weights[rows_of[place]].unsqueeze(1))
    return losses


def _asked(teacher: LiveTeacher | None, part: slice, rows: Tensor) -> Tensor:
    """The live teacher's logits (n, V) at some places of a chunk."""
    assert teacher is not None
    return logits_of(teacher.hidden[part][rows], teacher.head)


def _stored_words(
    logits: Tensor, targets: Targets, part: slice, rows: Tensor, term: LossTerm
) -> tuple[Tensor, Tensor, Tensor]:
    """Ids (n, K) of the words that a term compares, the student's logits of them, the teacher's log-probs."""
    assert targets.topk_ids is not None and targets.topk_logprobs is not None
    ids, log_p = targets.topk_ids[part][rows], targets.topk_logprobs[part][rows].float()
    if term.by_rank:
        ids = logits[rows].topk(ids.shape[1]).indices
    return ids, logits[rows.unsqueeze(1), ids], log_p


def _gradient(between: Divergence, log_p: Tensor, log_q: Tensor) -> tuple[Tensor, Tensor]:
    """The divergences (n,) and g = ∂f/∂log q (n, C)."""
    with torch.enable_grad():
        log_q = log_q.detach().requires_grad_()
        values = between(log_p, log_q)
        [g] = torch.autograd.grad(values.sum(), log_q)
    return values.detach(), g


def _live(logits: Tensor, theirs: Tensor, term: LossTerm) -> tuple[Tensor, Tensor]:
    """Values (n,) and gradient (n, V) against the teacher's logits; T² on the value, 1/T from the softmax.

    Models of one family pad their outputs to different widths: what only one of them has is compared with nothing.
    """
    t, width = term.temperature, min(logits.shape[1], theirs.shape[1])
    if logits.shape[1] > width:
        values, gradient = _live(logits[:, :width], theirs, term)
        return values, torch.nn.functional.pad(gradient, (0, logits.shape[1] - width))
    theirs = theirs[:, :width]
    log_q = (logits / t).log_softmax(-1)
    if term.by_rank:
        theirs = torch.empty_like(theirs).scatter_(1, logits.argsort(-1, descending=True), theirs.sort(-1, True)[0])
    values, g = _gradient(term.between, (theirs / t).log_softmax(-1), log_q)
    return values * t**2, g.sub_(log_q.exp_().mul_(g.sum(-1, keepdim=True))).mul_(t)


def _stored(log_q: Tensor, log_p: Tensor, term: LossTerm) -> tuple[Tensor, Tensor, tuple[Tensor, Tensor], Tensor]:
    """What stored top-k teaches, from the log-probs (n, K) of both sides.

    Returns the values (n,); the factor (n,) of the student's probability that is the gradient at every other word;
    and where (row, column of K) which gradient stands at the words themselves.
    """
    real = log_p > PADDING / 2  # (n, K)
    log_q = student_categories(log_q, log_p)
    values, g = _gradient(term.between, teacher_categories(log_p), log_q)
    total = g.sum(-1, keepdim=True)  # (n, 1)
    q = log_q.exp()
    row, column = real.nonzero(as_tuple=True)
    share = (g[:, -1:] / q[:, -1:] - total).squeeze(1)
    return values, share, (row, column), (g[:, :-1] - q[:, :-1] * total)[row, column]
