"""The loss over chunks of the output layer: values and gradients of the readable losses on full logits."""

from dataclasses import replace

import pytest
import torch

from kdcore.distill.batches.targets import TEXT, LossTerm, Targets
from kdcore.distill.losses import LOSSES, sparse
from kdcore.distill.losses import divergences as dense
from kdcore.distill.losses.sequence import sequence_level_kd
from kdcore.distill.terms.chunked_loss import LiveTeacher, head_loss
from tests.distill.test_losses import K, V

DIVERGENCES = [name for name, loss in LOSSES.items() if loss.kind == "divergence"]


def _terms():
    """One of each divergence, stored and live, and text: what a batch of many slices holds."""
    stored = [LossTerm(dense.divergence(name), by_rank=LOSSES[name].by_rank) for name in DIVERGENCES]
    return [*stored, *(replace(term, live=True, temperature=2.0) for term in stored)]


@pytest.mark.parametrize("chunk", [3, 64])
@pytest.mark.parametrize("place", range(-1, len(DIVERGENCES) * 2))
@pytest.mark.parametrize("mixed", [False, True])
def test_chunked_equals_dense(chunk, place, mixed):
    """One pass over chunks has the values and gradients of the readable losses on full logits."""
    generator = torch.Generator().manual_seed(0)
    n, h, theirs = 10, 6, 7
    hidden = torch.randn(n, h, generator=generator).requires_grad_()
    head = torch.randn(V, h, generator=generator).requires_grad_()
    labels = torch.randint(0, V, (n,), generator=generator)
    teacher = LiveTeacher(torch.randn(n, theirs, generator=generator), torch.randn(V, theirs, generator=generator))
    full_teacher = teacher.hidden @ teacher.head.t()
    best = full_teacher.log_softmax(-1).topk(K, dim=-1)
    here = torch.arange(n) % 2 == 0 if mixed else torch.ones(n, dtype=torch.bool)
    kinds = torch.where(here, place, TEXT)
    targets = Targets(labels, torch.full((n,), 1 / n), kinds, best.indices, best.values)
    terms = _terms()
    total, values = head_loss(hidden, head, targets, terms, chunk, teacher)
    total.backward()
    got = hidden.grad.clone(), head.grad.clone()
    hidden.grad = head.grad = None
    full = hidden @ head.t()
    term = terms[place] if place >= 0 else None
    share = (here.sum() / n) if term else torch.tensor(0.0)
    text = ~here if term else torch.ones_like(here)
    expected = (1 - share) * sequence_level_kd(full[None], labels[None], text[None])
    if term and term.live:
        t = term.temperature
        sides = [(x / t).log_softmax(-1) for x in (full_teacher, full)]
        if term.by_rank:
            sides = [side.sort(dim=-1, descending=True)[0] for side in sides]
        expected = expected + share * (term.between(*sides) * t**2)[here].mean()
    elif term and term.by_rank:
        mine = full.log_softmax(-1).topk(K, dim=-1)[0]
        with_tail = [
            torch.cat([side, (1 - side.exp().sum(-1, keepdim=True)).log()], -1) for side in (best.values, mine)
        ]
        expected = expected + share * term.between(*with_tail)[here].mean()
    elif term:
        expected = expected + share * sparse.divergence(
            full[None], best.indices[None], best.values[None], here[None], term.between
        )
    expected.backward()
    assert float(total.detach()) == pytest.approx(float(expected.detach()), abs=1e-5)
    assert float(values.mean()) == pytest.approx(float(total.detach()), abs=1e-5)
    torch.testing.assert_close(got[0], hidden.grad, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(got[1], head.grad, atol=1e-5, rtol=1e-4)


def test_chunked_loss_of_nothing_is_zero():
    empty = Targets(torch.zeros(0, dtype=torch.long), torch.zeros(0), torch.zeros(0, dtype=torch.long))
    total, losses = head_loss(torch.zeros(0, 4, requires_grad=True), torch.zeros(V, 4, requires_grad=True), empty)
    assert float(total.detach()) == 0
    assert losses.shape == (0,)


def test_a_row_with_fewer_stored_tokens_is_not_changed_by_its_neighbours():
    """Runs with different top-k meet in one batch: the padding has no mass, no tail and no gradient."""
    generator = torch.Generator().manual_seed(5)
    logits_one = torch.randn(1, V, generator=generator)
    best = torch.randn(1, V, generator=generator).log_softmax(-1).topk(K, dim=-1)
    labels, kinds = torch.tensor([0]), torch.tensor([0])
    wide_ids = torch.cat([best.indices, torch.zeros(1, 3, dtype=torch.long)], 1)
    wide_logprobs = torch.cat([best.values, torch.full((1, 3), sparse.PADDING)], 1)

    def run(ids, logprobs):
        hidden = logits_one.clone().requires_grad_()
        total, losses = head_loss(
            hidden, torch.eye(V), Targets(labels, torch.ones(1), kinds, ids, logprobs), _terms()
        )
        total.backward()
        return losses, hidden.grad

    narrow, wide = run(best.indices, best.values), run(wide_ids, wide_logprobs)
    torch.testing.assert_close(narrow[0], wide[0])
    torch.testing.assert_close(narrow[1], wide[1])
    readable = sparse.forward_kl(logits_one[None], wide_ids[None], wide_logprobs[None], torch.ones(1, 1))
    torch.testing.assert_close(readable, narrow[0].squeeze())
