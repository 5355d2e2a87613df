"""Ranking and hidden-state losses against plain-Python references."""

import math

import pytest
import torch

from kdcore.distill.losses import hidden, ranking
from kdcore.errors import ShapeError

G = torch.Generator().manual_seed(7)
P, R = (torch.randn(4, 5, generator=G, dtype=torch.float64) for _ in range(2))
MASK = torch.tensor([[1, 1, 0], [0, 1, 1]])
S, T = (torch.randn(2, 3, 6, generator=G, dtype=torch.float64) for _ in range(2))


def test_dpo_equals_the_formula_and_is_log_two_at_the_reference():
    a, b, c, d = P[:, 0], P[:, 1], R[:, 0], R[:, 1]
    slow = [-math.log(1 / (1 + math.exp(-0.3 * ((w - y) - (x - z))))) for w, x, y, z in zip(a, b, c, d, strict=True)]
    assert float(ranking.dpo(a, b, c, d, beta=0.3)) == pytest.approx(sum(slow) / 4, abs=1e-9)
    assert float(ranking.dpo(a, b, a, b, beta=0.3)) == pytest.approx(math.log(2))
    with pytest.raises(ShapeError, match="one shape"):
        ranking.dpo(a, b, c, d[:2], beta=0.3)


def test_rrhf_counts_each_wrongly_ordered_pair():
    slow = [
        sum(max(0.0, float(p[i] - p[j])) for i in range(5) for j in range(5) if r[i] < r[j])
        for p, r in zip(P, R, strict=True)
    ]
    assert float(ranking.rrhf(P, R)) == pytest.approx(sum(slow) / 4, abs=1e-9)
    assert float(ranking.rrhf(R, R)) == 0.0


def test_pro_equals_the_formula_and_falls_when_the_best_rises():
    slow = [-sum(math.log(math.exp(p[k]) / sum(math.exp(x) for x in p[k:])) for k in range(4)) for p in P.tolist()]
    assert float(ranking.pro(P)) == pytest.approx(sum(slow) / 4, abs=1e-9)
    better = P.clone()
    better[:, 0] += 1
    assert float(ranking.pro(better)) < float(ranking.pro(P))


def test_kto_is_one_half_at_the_reference_and_falls_both_ways():
    good = torch.tensor([True, False, True, False])
    assert float(ranking.kto(P[:, 0], P[:, 0], good)) == pytest.approx(0.5)
    moved = P[:, 0] + torch.where(good, 1.0, -1.0)
    assert float(ranking.kto(moved, P[:, 0], good)) < 0.5


@pytest.mark.parametrize("loss", [lambda p: ranking.dpo(p[:, 0], p[:, 1], R[:, 0], R[:, 1]), ranking.pro])
def test_ranking_gradients(loss):
    assert torch.autograd.gradcheck(loss, (P.clone().requires_grad_(),))


ALL = [hidden.hidden_mse, hidden.hidden_l1, hidden.hidden_cosine, hidden.hidden_mmd, hidden.hidden_cross_entropy]


@pytest.mark.parametrize("loss", ALL)
def test_hidden_losses(loss):
    value = loss(S, T, MASK)
    assert torch.autograd.gradcheck(lambda s: loss(s, T, MASK), (S.clone().requires_grad_(),))
    if loss is not hidden.hidden_cross_entropy:
        assert float(loss(T, T, MASK)) == pytest.approx(0.0, abs=1e-9)
        assert float(value) > 0
    changed = S.clone()
    changed[MASK == 0] = 1e6
    assert float(loss(changed, T, MASK)) == pytest.approx(float(value))
    assert torch.isfinite(loss(S.bfloat16() * 30, T.bfloat16() * 30, MASK))
    assert float(loss(S, T, torch.zeros_like(MASK))) == 0.0
    with pytest.raises(ShapeError, match="project"):
        loss(S, T[..., :3], MASK)


def test_hidden_references():
    s, t = S[MASK.bool()].tolist(), T[MASK.bool()].tolist()
    mse = sum(sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) / 6 for x, y in zip(s, t, strict=True)) / 4
    assert float(hidden.hidden_mse(S, T, MASK)) == pytest.approx(mse)
    cosine = [
        sum(a * b for a, b in zip(x, y, strict=True)) / math.sqrt(sum(a * a for a in x) * sum(b * b for b in y))
        for x, y in zip(s, t, strict=True)
    ]
    assert float(hidden.hidden_cosine(S, T, MASK)) == pytest.approx(1 - sum(cosine) / 4)
    points = s + t
    square = [[sum((a - b) ** 2 for a, b in zip(x, y, strict=True)) for y in points] for x in points]
    scale = sum(sum(a * a for a in y) for y in t) / 4

    def kernel(i, j):
        return sum(math.exp(-square[i][j] / (w * scale)) for w in hidden.BANDWIDTHS) / 3

    mine, theirs = range(4), range(4, 8)
    mmd = sum(kernel(i, j) for i in mine for j in mine) + sum(kernel(i, j) for i in theirs for j in theirs)
    mmd -= 2 * sum(kernel(i, j) for i in mine for j in theirs)
    assert float(hidden.hidden_mmd(S, T, MASK)) == pytest.approx(mmd / 16)


def test_attention_transfer():
    s, t = (torch.randn(2, heads, 3, 3, generator=G, dtype=torch.float64).softmax(-1) for heads in (2, 4))
    p, q = t.mean(1), s.mean(1)
    slow = (p * (p / q).log()).sum(-1)[MASK.bool()].mean()
    assert float(hidden.attention_transfer(s, t, MASK)) == pytest.approx(float(slow))
    assert float(hidden.attention_transfer(t, t, MASK)) == pytest.approx(0.0)
    with pytest.raises(ShapeError, match="same tokens"):
        hidden.attention_transfer(s, t[..., :2], MASK)
