"""Every measure is computed by its line in the table, and only where what it needs is there."""

import math

import pytest
import torch

from kdcore.evaluate.measures import MEASURES, Answered, in_order, of_answer, of_text, rouge_l


def test_likeness_of_two_texts():
    assert rouge_l("the cat sat", "the cat sat") == 1.0
    assert rouge_l("", "the cat") == 0.0
    assert of_text("a b", "a b")["rouge_l"] == 1.0


def answered(teacher: bool = True) -> Answered:
    generator = torch.Generator().manual_seed(0)
    own, theirs = (torch.randn(5, 7, generator=generator, dtype=torch.float64).log_softmax(-1) for _ in range(2))
    return Answered("a", "a b", own, theirs if teacher else None, torch.tensor([1, 2, 3, 4, 5]))


def test_measures_of_probabilities_against_plain_sums():
    said = answered()
    found = of_answer(said)
    own, theirs = said.own.tolist(), said.teacher.tolist()
    nll = -sum(row[label] for row, label in zip(own, said.labels.tolist(), strict=True)) / 5
    kl = sum(math.exp(p) * (p - q) for a, b in zip(theirs, own, strict=True) for p, q in zip(a, b, strict=True)) / 5
    same = sum(a.index(max(a)) == b.index(max(b)) for a, b in zip(own, theirs, strict=True)) / 5
    assert found["nll"] == pytest.approx(nll)
    assert found["forward_kl"] == pytest.approx(kl)
    assert found["top1"] == pytest.approx(same)
    equal = of_answer(Answered("a", "a", said.own, said.own, said.labels))
    assert (equal["forward_kl"], equal["top1"]) == (0.0, 1.0)


def test_what_can_not_be_asked_is_left_out():
    found = set(of_answer(answered(teacher=False)))
    assert {"nll", "rouge_l"} <= found and "forward_kl" not in found
    assert set(of_answer(answered())) == {name for name, m in MEASURES.items() if m.compute is not None}


def test_the_table_says_what_each_is():
    for name, measure in MEASURES.items():
        assert measure.name == name
        assert measure.title and measure.form.format(0.5)
        assert bool(measure.of) == (measure.then is not None) and measure.of in {"", *MEASURES}
    assert [m.name for m in in_order({"rouge_l", "forward_kl", "tokens"})] == ["forward_kl", "rouge_l"]
