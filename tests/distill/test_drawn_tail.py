"""Words drawn from the tail: what they teach is, on average, what the whole distribution teaches."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.distill.batches.batch import collate
from kdcore.distill.batches.rows import Row, _with_sampled_tail
from kdcore.distill.losses import divergences as dense
from kdcore.distill.losses import sparse
from kdcore.distill.terms.chunked_loss import head_loss
from kdcore.distill.terms.slices import teaching_of
from kdcore.distill.training.preflight import Report, check_rows
from kdcore.errors import ShapeError

T, V, K, M = 4, 13, 3, 5
ONE = torch.ones(1, T)


def logits(seed: int) -> torch.Tensor:
    return torch.randn(1, T, V, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def drawn(teacher: torch.Tensor, m: int, seed: int = 0) -> tuple[torch.Tensor, ...]:
    """Top-k and m words of the tail, (1, T, K), (1, T, K), (1, T, m), (1, T, m)."""
    log_p = teacher.log_softmax(-1)
    best = log_p.topk(K, dim=-1)
    rest = log_p.exp().scatter(-1, best.indices, 0.0)[0]
    ids = torch.multinomial(rest, m, replacement=True, generator=torch.Generator().manual_seed(seed))[None]
    return best.indices, best.values, ids, log_p.gather(-1, ids)


def gradient(loss, student: torch.Tensor) -> tuple[float, torch.Tensor]:
    student = student.clone().requires_grad_()
    value = loss(student)
    value.backward()
    assert student.grad is not None
    return float(value.detach()), student.grad


def test_many_draws_give_the_value_and_the_gradient_of_the_whole():
    student, teacher = logits(0), logits(1)
    value, slope = gradient(lambda s: dense.forward_kl(s, teacher, ONE), student)
    many = gradient(lambda s: sparse.sampled_forward_kl(s, *drawn(teacher, 200_000), ONE), student)
    assert many[0] == pytest.approx(value, abs=3e-3)
    torch.testing.assert_close(many[1], slope, atol=1e-3, rtol=0)
    as_one = gradient(lambda s: sparse.forward_kl(s, *drawn(teacher, 1)[:2], ONE), student)
    assert (as_one[1] - slope).abs().max() > 0.01  # the bucket says nothing of the tail's own words
    few = [
        gradient(lambda s, n=n: sparse.sampled_forward_kl(s, *drawn(teacher, 2, n), ONE), student)
        for n in range(3000)
    ]
    assert np.mean([v for v, _ in few]) == pytest.approx(value, abs=0.03)
    torch.testing.assert_close(torch.stack([g for _, g in few]).mean(0), slope, atol=0.01, rtol=0)


def test_zero_at_equality_whatever_is_drawn_and_shapes_must_fit():
    teacher = logits(1)
    for seed in range(5):
        assert float(sparse.sampled_forward_kl(teacher, *drawn(teacher, M, seed), ONE)) == pytest.approx(0, abs=1e-12)
    ids, logprobs, tail_ids, tail_logprobs = drawn(teacher, M)
    assert torch.autograd.gradcheck(
        lambda s: sparse.sampled_forward_kl(s, ids, logprobs, tail_ids, tail_logprobs, ONE),
        logits(0).requires_grad_(),
    )
    with pytest.raises(ShapeError, match="drawn ids"):
        sparse.sampled_forward_kl(teacher, ids, logprobs, tail_ids, tail_logprobs[..., :1], ONE)


def _rows() -> tuple[Row, Row, torch.Tensor]:
    """A row with drawn words and one with top-k only, both of T tokens behind a prompt of one."""
    ids, logprobs, tail_ids, tail_logprobs = (part[0].numpy() for part in drawn(logits(1), M))
    raw = {"tail_ids": tail_ids.ravel(), "tail_logprobs": tail_logprobs.ravel()}
    wide_ids, weights, offsets = _with_sampled_tail(raw, ids, logprobs)
    own = [3, 1, 4, 1, 5]
    with_tail = Row("a", 0, 1, own, False, wide_ids, weights, offsets=offsets)
    return with_tail, Row("b", 0, 1, own, False, ids, logprobs.astype(np.float32)), logits(0)


def test_the_loop_learns_them_beside_rows_that_have_none():
    with_tail, plain, student = _rows()
    part = SliceConfig(dataset_id="d", tail="drawn")
    terms, teaching = teaching_of((part,))
    batch = collate([with_tail, plain], 0, teaching)
    hidden = torch.cat([student[0], student[0]]).float().requires_grad_()  # the head is the identity
    total, values = head_loss(hidden, torch.eye(V), batch.targets, terms, chunk=3)
    total.backward()
    ids, logprobs, tail_ids, tail_logprobs = drawn(logits(1), M)
    readable = [
        gradient(lambda s: sparse.sampled_forward_kl(s, ids, logprobs, tail_ids, tail_logprobs, ONE), student),
        gradient(lambda s: sparse.forward_kl(s, ids, logprobs, ONE), student),
    ]
    assert [float(half.mean()) for half in values.split(T)] == pytest.approx([v for v, _ in readable], abs=1e-5)
    assert hidden.grad is not None
    for half, (_, slope) in zip(hidden.grad.split(T), readable, strict=True):
        torch.testing.assert_close(half, slope[0].float() / 2, atol=1e-5, rtol=1e-4)


def test_recipes_that_can_not_use_them_are_refused_and_missing_ones_said():
    for wrong in ({"loss": "reverse_kl"}, {"targets": "live"}, {"focus": 0.5}, {"teachers": "mean"}):
        with pytest.raises(ValidationError, match="tail"):
            SliceConfig(dataset_id="d", tail="drawn", **wrong)
    with_tail, plain, _ = _rows()
    config = DistillConfig(slices=(SliceConfig(dataset_id="d", tail="drawn"),))
    assert check_rows(config, [with_tail], [with_tail], Report()).blocks == []
    [warning] = check_rows(config, [with_tail, plain], [plain], Report()).warnings
    assert "1 of 2 rows of slice 1 have no words drawn from the tail" in warning
    [block] = check_rows(config, [plain], [plain], Report()).blocks
    assert "no row of slice 1 has words drawn from the tail" in block
