"""Ranking slices inside a step: exact gradients without whole logits, the recipe's weights, what is left out."""

import math

import numpy as np
import pytest
import torch

from kdcore.configs.distillation import DistillConfig, SimilarityConfig, SliceConfig
from kdcore.distill.batches.batch import SliceTerms, collate, least_certain
from kdcore.distill.batches.rows import Row
from kdcore.distill.losses import ranking
from kdcore.distill.measures.heldout import HeldoutEvaluator, reference_logprobs
from kdcore.distill.measures.step import gradient_shares, peak_flops, step_flops
from kdcore.distill.terms.hidden_states import layer_pairs
from kdcore.distill.terms.preferences import token_logprobs
from kdcore.distill.terms.student_with_losses import StudentWithLosses
from kdcore.distill.training.loop import student_with_losses
from kdcore.distill.training.loss_guard import LossGuard
from kdcore.errors import JobError

VOCAB = 40
MIXED = (SliceConfig(dataset_id="a", loss="sequence_level_kd"), SliceConfig(dataset_id="b", loss="rrhf", weight=3))


def model(layers: int = 2, width: int = 16, seed: int = 0):
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=VOCAB, hidden_size=width, intermediate_size=32, num_hidden_layers=layers, num_attention_heads=2,
        num_key_value_heads=2,
    )  # fmt: skip
    return LlamaForCausalLM(config)


def pairs(count: int = 3, part: int = 0, rejected_answers: int = 1) -> list[Row]:
    chance = torch.Generator().manual_seed(5)

    def words(length: int) -> list[int]:
        return torch.randint(1, VOCAB, (length,), generator=chance).tolist()

    rows = []
    for i in range(count):
        prompt = words(3)
        rows.append(
            Row(
                f"p{i}",
                part,
                3,
                prompt + words(4 + i),
                False,
                None,
                None,
                [prompt + words(5) for _ in range(rejected_answers)],
            )
        )
    return rows


def plain(count: int = 2, part: int = 0) -> list[Row]:
    return [Row(f"t{i}", part, 2, [1, 2, 3 + i, 4, 5], False, None, None) for i in range(count)]


def slow_logprob(student, row: Row, ids: list[int]) -> torch.Tensor:
    logits = student(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
    return sum(logits[at - 1, ids[at]] for at in range(row.prompt_length, len(ids)))


@pytest.mark.parametrize("chunk", [3, 64])
def test_token_logprobs_and_their_gradients_are_those_of_whole_logits(chunk):
    torch.manual_seed(1)
    hidden = torch.randn(10, 8, requires_grad=True)
    weight = torch.randn(VOCAB, 8, requires_grad=True)
    labels, pull = torch.randint(0, VOCAB, (10,)), torch.randn(10)
    whole = (hidden @ weight.t()).log_softmax(-1).gather(1, labels[:, None]).squeeze(1)
    expected = torch.autograd.grad((whole * pull).sum(), (hidden, weight))
    found = token_logprobs(hidden, weight, labels, chunk)
    got = torch.autograd.grad((found * pull).sum(), (hidden, weight))
    assert torch.allclose(found, whole, atol=1e-5)
    assert all(torch.allclose(a, b, atol=1e-5) for a, b in zip(got, expected, strict=True))


@pytest.mark.parametrize("loss", ["dpo", "kto", "rrhf", "pro"])
def test_a_ranking_step_equals_the_plain_functions_on_whole_logits(loss):
    student, rows = model(), pairs(rejected_answers=1 if loss in ("dpo", "kto") else 3)
    part = SliceConfig(
        dataset_id="d", loss=loss, weight=2.0, loss_config={"beta": 0.3} if loss in ("dpo", "kto") else {}
    )
    for row, known in zip(rows, reference_logprobs(student, rows, 0, 2, 8), strict=True):
        row.reference = tuple(known)
    other = model(seed=9)  # the student after some steps
    learner = StudentWithLosses(other, [part], 7)
    value, tokens, each, figures = learner(collate(rows, 0, learner.teaching))
    expected = []
    for row in rows:
        sums = torch.stack([slow_logprob(other, row, ids) for ids in row.answers])
        known = torch.stack([slow_logprob(student, row, ids) for ids in row.answers]).detach()
        means = sums / torch.tensor([len(ids) - row.prompt_length for ids in row.answers])
        expected.append(
            {
                "dpo": lambda s=sums, k=known: ranking.dpo(s[:1], s[-1:], k[:1], k[-1:], 0.3),
                "kto": lambda s=sums, k=known: ranking.kto(s, k, torch.tensor([True, False]), beta=0.3),
                "rrhf": lambda m=means: ranking.rrhf(m[None], torch.tensor([[4.0, 3.0, 2.0, 1.0]])),
                "pro": lambda m=means: ranking.pro(m[None]),
            }[loss]()
        )
    assert value.item() == pytest.approx(2 * torch.stack(expected).mean().item(), rel=1e-4)
    assert each.tolist() == pytest.approx([e.item() for e in expected], rel=1e-4)
    assert len(tokens) == 0
    assert 0 <= figures["preferred"] <= 1
    value.backward()
    got = torch.cat([p.grad.flatten() for p in other.parameters()])
    wanted = torch.autograd.grad(2 * torch.stack(expected).mean(), list(other.parameters()))
    assert torch.allclose(got, torch.cat([g.flatten() for g in wanted]), atol=1e-4)


def test_a_good_and_a_bad_answer_alone_are_taught_apart():
    student, rows = model(), pairs(2, rejected_answers=0)
    rows[1].undesirable = True
    for row, known in zip(rows, reference_logprobs(student, rows, 0, 2, 8), strict=True):
        row.reference = tuple(known)
    learner = StudentWithLosses(student, [SliceConfig(dataset_id="d", loss="kto", loss_config={"beta": 0.5})], 8)
    batch = collate(rows, 0, learner.teaching)
    value, _, each, figures = learner(batch)
    assert value.item() == pytest.approx(0.5, abs=1e-5)  # 1 - σ(0) of both: nothing is gained yet
    assert each.tolist() == pytest.approx([0.5, 0.5], abs=1e-5)
    assert figures == pytest.approx({"gain/good": 0, "gain/bad": 0}, abs=1e-4)
    optimizer = torch.optim.AdamW(student.parameters(), lr=0.01)
    for _ in range(30):
        loss, *_ = learner(batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    *_, figures = learner(batch)
    assert figures["gain/good"] > 1 > -1 > figures["gain/bad"]
    assert "preferred" not in figures


def test_text_and_preference_rows_share_a_step_by_their_rows():
    student = model()
    parts = (
        SliceConfig(dataset_id="a", loss="sequence_level_kd"),
        SliceConfig(dataset_id="b", loss="rrhf", weight=3),
    )
    learner = StudentWithLosses(student, parts, 8)
    text, order = plain(3), pairs(1, part=1)
    alone, *_ = learner(collate(text, 0, learner.teaching))
    ranked, *_ = learner(collate(order, 0, learner.teaching))
    both, *_ = learner(collate(text + order, 0, learner.teaching))
    assert both.item() == pytest.approx(alone.item() * 3 / 4 + ranked.item() / 4, rel=1e-5)


def test_training_moves_towards_the_chosen_answer_and_the_probe_sees_it():
    student, rows = model(), pairs(4)
    for row, known in zip(rows, reference_logprobs(student, rows, 0, 2, 8), strict=True):
        row.reference = tuple(known)
    learner = StudentWithLosses(student, [SliceConfig(dataset_id="d", loss="dpo", loss_config={"beta": 0.5})], 8)
    probe = HeldoutEvaluator(rows, 1, (True,), 2, 0)
    start = probe.measure(student, 8)
    assert start["margin"] == pytest.approx(0, abs=1e-4)
    optimizer = torch.optim.AdamW(student.parameters(), lr=0.01)
    for _ in range(30):
        loss, *_ = learner(collate(rows, 0, learner.teaching))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    end = probe.measure(student, 8)
    assert loss.item() < math.log(2) / 2
    assert end["margin"] > 1
    assert end["preferred"] == 1.0
    assert {"forward_kl", "top1"}.isdisjoint(end)  # the rows have no stored top-k
    assert "sequence_level_kd" in end


@pytest.mark.parametrize("loss", ["hidden_mse", "hidden_cosine", "hidden_mmd", "attention_transfer"])
@pytest.mark.parametrize("width", [16, 24])
def test_inner_states_are_drawn_to_the_teachers(loss, width):
    student, teacher = model(2), model(4, width, seed=3).eval().requires_grad_(False)
    config = DistillConfig(
        slices=(SliceConfig(dataset_id="d", loss="sequence_level_kd", weight=1e-9),),
        similarity=SimilarityConfig(loss=loss, weight=2.0, layers=2),
        student={"init": "model"},
    )
    learner = student_with_losses(config, student, teacher)
    names = set(learner.trainable())
    assert ("similarity.projectors.0.weight" in names) == (width != 16 and loss != "attention_transfer")
    batch = collate(plain(4), 0, learner.teaching)
    optimizer = torch.optim.AdamW(learner.trainable().values(), lr=0.01)
    values = []
    for _ in range(20):
        value, _, _, figures = learner(batch)
        values.append(figures["loss/similarity"])
        optimizer.zero_grad()
        value.backward()
        optimizer.step()
    assert values[-1] < values[0]
    assert all(p.grad is None for p in teacher.parameters())


def test_layers_are_paired_to_the_end():
    assert layer_pairs(10, 30, 2) == [(5, 15), (10, 30)]
    assert layer_pairs(3, 30, 9) == [(1, 10), (2, 20), (3, 30)]
    assert layer_pairs(2, 4, 2, kept=[0, 3]) == [(1, 1), (2, 4)]


def test_a_runaway_loss_is_ended_and_a_noisy_one_is_not():
    noisy = LossGuard()
    for step in range(200):
        noisy.check(3.0 + (step % 7), 1.0, step)
    wild = LossGuard()
    with pytest.raises(JobError, match="runs away"):
        for step in range(200):
            wild.check(3.0 + step * 0.5, 1.0, step)
    with pytest.raises(JobError, match="exactly 0"):
        LossGuard().check(0.0, 0.0, 1)
    LossGuard(may_be_zero=True).check(0.0, 0.0, 1)
    with pytest.raises(JobError, match="lower the learning rate"):
        LossGuard().check(math.nan, 1.0, 1)


def test_a_row_of_a_ranking_slice_takes_one_sequence_for_each_answer():
    teaching = SliceTerms((1.0, 1.0), (-1, -1), (False, False), (False, True))
    batch = collate([*plain(2), *pairs(2, part=1, rejected_answers=2)], 0, teaching)
    assert batch.input_ids.shape[0] == 2 + 2 * 3
    assert [c.count for c in batch.ranked.groups] == [3, 3]
    assert sorted(set(batch.owner.tolist())) == [0, 1]
    width = batch.input_ids.shape[1]
    for position, label in zip(batch.ranked.positions.tolist(), batch.ranked.labels.tolist(), strict=True):
        assert int(batch.input_ids[position // width, position % width + 1]) == label


def test_with_a_focus_only_the_words_of_most_doubt_learn():
    sure, unsure = np.log([0.97, 0.01]), np.log([0.5, 0.45])
    logprobs = np.stack([sure, unsure, sure, unsure, sure])
    row = Row("a", 0, 2, [1, 2, 11, 12, 13, 14, 15], False, np.arange(10).reshape(5, 2), logprobs)
    teaching = SliceTerms((1.0,), (0,), (False,), (False,), (0.4,))
    batch = collate([row], 0, teaching)
    assert batch.targets.labels.tolist() == [12, 14]
    assert batch.positions.tolist() == [2, 4]
    assert batch.targets.topk_ids.tolist() == [[2, 3], [6, 7]]
    assert batch.targets.weights.sum().item() == pytest.approx(1)
    assert len(collate([row], 0, SliceTerms((1.0,), (0,), (False,), (False,))).positions) == 5
    assert least_certain(row, 0.01).tolist() in ([1], [3])


def test_the_flops_of_a_step_count_body_and_head_where_they_are_used():
    student = model()
    learner = StudentWithLosses(student, [SliceConfig(dataset_id="d", loss="sequence_level_kd")], 8)
    batch = collate(plain(2), 0, learner.teaching)
    head = VOCAB * 16
    body = sum(p.numel() for p in student.parameters()) - head
    shared = 2  # both rows begin with the same tokens, which are read once
    assert step_flops(student, batch) == 6 * (body * (10 - shared) + head * 6)
    before = torch.get_rng_state()
    assert peak_flops("cpu", torch.float32) > 1e8
    assert torch.equal(torch.get_rng_state(), before)  # else a resumed run draws other answers


def test_the_pulls_of_the_terms_are_shares_and_leave_no_trace():
    from accelerate import Accelerator

    student = model()
    parts = (
        SliceConfig(dataset_id="a", loss="sequence_level_kd"),
        SliceConfig(dataset_id="b", loss="rrhf", weight=3),
    )
    learner = StudentWithLosses(student, parts, 8)
    rows = [*plain(2), *pairs(2, part=1)]
    accelerator = Accelerator(cpu=True)
    found = gradient_shares(learner, accelerator, rows, 0)
    assert set(found) == {"gradient_share/slice0", "gradient_share/slice1"}
    assert sum(found.values()) == pytest.approx(1)
    assert all(p.grad is None for p in learner.parameters())
    assert learner.slices == parts

    def norm(number: int) -> float:
        """The gradient of one slice's part of the step, the other's weight set to nothing by hand."""
        weights = tuple(
            part.model_copy(update={"weight": part.weight if i == number else 1e-12}) for i, part in enumerate(parts)
        )
        alone = StudentWithLosses(student, weights, 8)
        loss, *_ = alone(collate(rows, 0, alone.teaching))
        grads = torch.autograd.grad(loss, list(student.parameters()))
        return float(sum(g.square().sum() for g in grads) ** 0.5)

    assert found["gradient_share/slice1"] == pytest.approx(norm(1) / (norm(0) + norm(1)), rel=1e-3)
    assert gradient_shares(StudentWithLosses(student, parts[:1], 8), accelerator, plain(2), 0) == {}
