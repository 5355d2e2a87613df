"""Losses against slow float64 references written here, and the properties they must have."""

import inspect
import math

import pytest
import torch

from kdcore.configs.base import load_config
from kdcore.configs.distillation import SliceConfig
from kdcore.configs.losses import refuse_foreign
from kdcore.distill.losses import LOSSES, sparse
from kdcore.distill.losses import divergences as dense
from kdcore.distill.losses.ranking import RANKINGS, Answers
from kdcore.errors import ConfigError, ShapeError

B, T, V, K = 2, 5, 11, 4


def logits(seed: int, *, grad: bool = False, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(B, T, V, generator=generator, dtype=dtype).requires_grad_(grad)


MASK = torch.tensor([[1, 1, 0, 1, 0], [0, 1, 1, 1, 1]])


def slow(student, teacher, point):
    """Mean over supervised positions of ``point(p, q)``, with plain Python numbers."""
    values = []
    for b in range(B):
        for t in range(T):
            if MASK[b, t]:
                q = [math.exp(x) for x in student[b, t].tolist()]
                p = [math.exp(x) for x in teacher[b, t].tolist()]
                q, p = [x / sum(q) for x in q], [x / sum(p) for x in p]
                values.append(point(p, q))
    return sum(values) / len(values)


def kl(a, b):
    return sum(x * math.log(x / y) for x, y in zip(a, b, strict=True) if x > 0)


def mix(p, q, beta):
    return [beta * x + (1 - beta) * y for x, y in zip(p, q, strict=True)]


def head_share(p, q):
    """Head = the likeliest words before half of the mass is reached; its share of the gaps."""
    order = sorted(range(len(p)), key=lambda i: -p[i])
    head, mass = 0.0, 0.0
    for i in order:
        head += abs(p[i] - q[i]) if mass < 0.5 else 0.0
        mass += p[i]
    return head / max(sum(abs(x - y) for x, y in zip(p, q, strict=True)), 1e-300)


def adaptive(p, q):
    share = head_share(p, q)
    return share * kl(p, q) + (1 - share) * kl(q, p)


REFERENCES = {
    "forward_kl": (dense.forward_kl, lambda p, q: kl(p, q), {}),
    "reverse_kl": (dense.reverse_kl, lambda p, q: kl(q, p), {}),
    "jsd_0.5": (
        dense.generalized_jsd,
        lambda p, q: 0.5 * kl(p, mix(p, q, 0.5)) + 0.5 * kl(q, mix(p, q, 0.5)),
        {"beta": 0.5},
    ),
    "jsd_0.9": (
        dense.generalized_jsd,
        lambda p, q: 0.9 * kl(p, mix(p, q, 0.9)) + 0.1 * kl(q, mix(p, q, 0.9)),
        {"beta": 0.9},
    ),
    "jsd_0": (dense.generalized_jsd, lambda p, q: kl(p, q), {"beta": 0.0}),
    "jsd_1": (dense.generalized_jsd, lambda p, q: kl(q, p), {"beta": 1.0}),
    "skew_kl": (dense.skew_kl, lambda p, q: kl(p, mix(p, q, 0.1)), {"alpha": 0.1}),
    "skew_reverse_kl": (dense.skew_reverse_kl, lambda p, q: kl(q, mix(q, p, 0.1)), {"alpha": 0.1}),
    "adaptive_kl": (dense.adaptive_kl, lambda p, q: adaptive(p, q), {}),
    "total_variation": (
        dense.total_variation,
        lambda p, q: 0.5 * sum(abs(x - y) for x, y in zip(p, q, strict=True)),
        {},
    ),
    "universal_logit": (
        dense.universal_logit,
        lambda p, q: sum(abs(x - y) for x, y in zip(sorted(p), sorted(q), strict=True)),
        {},
    ),
}


def test_every_divergence_has_a_reference():
    measured = {getattr(loss, "func", loss).__name__ for loss, _, _ in REFERENCES.values()}
    assert set(dense.DIVERGENCES) <= measured | {"sequence_level_kd"}


@pytest.mark.parametrize("name", REFERENCES)
class TestDivergences:
    def test_equals_the_reference(self, name):
        loss, point, options = REFERENCES[name]
        assert float(loss(logits(0), logits(1), MASK, **options)) == pytest.approx(
            slow(logits(0), logits(1), point), abs=1e-6
        )

    def test_is_zero_at_equality(self, name):
        loss, _, options = REFERENCES[name]
        assert float(loss(logits(0), logits(0), MASK, **options)) == pytest.approx(0.0, abs=1e-9)

    def test_ignores_masked_positions_and_shifts(self, name):
        loss, _, options = REFERENCES[name]
        changed = logits(0) + 3.0
        changed[MASK == 0] = float("nan")
        same = loss(logits(0), logits(1), MASK, **options)
        assert float(loss(changed, logits(1), MASK, **options)) == pytest.approx(float(same), abs=1e-9)

    def test_gradient_is_right_and_the_teacher_gets_none(self, name):
        loss, _, options = REFERENCES[name]
        teacher = logits(1, grad=True)
        if name != "adaptive_kl":  # its weight is held fixed on purpose: the next test
            assert torch.autograd.gradcheck(
                lambda s: loss(s, teacher.detach(), MASK, **options), (logits(0, grad=True),)
            )
        loss(logits(0, grad=True), teacher, MASK, **options).backward()
        assert teacher.grad is None

    def test_is_finite_in_bfloat16(self, name):
        loss, _, options = REFERENCES[name]
        student = (logits(0, dtype=torch.bfloat16).detach() * 30).requires_grad_()
        value = loss(student, logits(1, dtype=torch.bfloat16) * 30, MASK, **options)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(student.grad).all()

    def test_temperature_is_squared(self, name):
        loss, _, options = REFERENCES[name]
        hot = loss(logits(0), logits(1), MASK, temperature=2.0, **options)
        assert float(hot) == pytest.approx(4 * float(loss(logits(0) / 2, logits(1) / 2, MASK, **options)), abs=1e-9)


def test_the_weight_of_adaptive_kl_carries_no_gradient():
    """Its gradient is that of the two divergences, mixed at each position by the plain-Python weight."""
    student = logits(0, grad=True)
    dense.adaptive_kl(student, logits(1), MASK).backward()
    expected = torch.zeros_like(student)
    for b in range(B):
        for t in range(T):
            if MASK[b, t]:
                p, q = (x[b, t].softmax(-1).tolist() for x in (logits(1), logits(0)))
                share = head_share(p, q)
                here = torch.zeros_like(MASK)
                here[b, t] = 1
                for part, weight in ((dense.forward_kl, share), (dense.reverse_kl, 1 - share)):
                    one = logits(0, grad=True)
                    part(one, logits(1), here).backward()
                    expected += weight * one.grad
    torch.testing.assert_close(student.grad, expected / MASK.sum(), atol=1e-9, rtol=1e-6)


def test_bad_arguments_are_named():
    with pytest.raises(ShapeError, match="same tokenizer"):
        dense.forward_kl(logits(0), logits(1)[..., :5], MASK)
    with pytest.raises(ConfigError, match="beta is 2"):
        dense.generalized_jsd(logits(0), logits(1), MASK, beta=2)
    with pytest.raises(ConfigError, match="alpha"):
        dense.skew_kl(logits(0), logits(1), MASK, alpha=1.0)
    with pytest.raises(ShapeError, match="different places"):
        dense.universal_logit(logits(0), logits(1)[:, :2], MASK)
    with pytest.raises(ConfigError, match="temperature is 0"):
        dense.universal_logit(logits(0), logits(1), MASK, temperature=0)


def test_ranks_are_compared_whatever_the_words_and_their_number():
    teacher = logits(1)
    mixed = teacher[..., torch.randperm(V, generator=torch.Generator().manual_seed(3))]
    wider = torch.cat([mixed, torch.full((B, T, 3), -1e9)], -1)
    assert float(dense.universal_logit(teacher, wider, MASK)) == pytest.approx(0.0, abs=1e-9)


def topk(teacher, k):
    best = teacher.log_softmax(-1).topk(k, dim=-1)
    return best.indices, best.values


SPARSE = {
    "forward_kl": (sparse.forward_kl, dense.forward_kl, lambda p, q: kl(p, q)),
    "reverse_kl": (sparse.reverse_kl, dense.reverse_kl, lambda p, q: kl(q, p)),
    "generalized_jsd": (
        sparse.generalized_jsd,
        dense.generalized_jsd,
        lambda p, q: 0.5 * kl(p, mix(p, q, 0.5)) + 0.5 * kl(q, mix(p, q, 0.5)),
    ),
}


@pytest.mark.parametrize("name", SPARSE)
class TestSparse:
    def test_equals_dense_when_k_is_the_vocabulary(self, name):
        few, full, _ = SPARSE[name]
        for dtype in (torch.float64, torch.float32):
            ids, logprobs = topk(logits(1, dtype=dtype), V)
            value = few(logits(0, dtype=dtype), ids, logprobs, MASK)
            same = full(logits(0, dtype=dtype), logits(1, dtype=dtype), MASK)
            assert float(value) == pytest.approx(float(same), abs=1e-6 if dtype == torch.float64 else 5e-6)

    def test_equals_a_reference_with_a_tail_bucket(self, name):
        few, _, point = SPARSE[name]
        ids, logprobs = topk(logits(1), K)
        values = []
        for b in range(B):
            for t in range(T):
                if MASK[b, t]:
                    q = logits(0)[b, t].softmax(-1)[ids[b, t]].tolist()
                    p = logprobs[b, t].exp().tolist()
                    values.append(point([*p, 1 - sum(p)], [*q, 1 - sum(q)]))
        assert float(few(logits(0), ids, logprobs, MASK)) == pytest.approx(sum(values) / len(values), abs=1e-6)

    def test_is_never_negative_and_zero_at_equality(self, name):
        few = SPARSE[name][0]
        for seed in range(20):
            ids, logprobs = topk(logits(seed + 1), K)
            assert float(few(logits(seed), ids, logprobs, MASK)) >= 0
        ids, logprobs = topk(logits(3), K)
        assert float(few(logits(3), ids, logprobs, MASK)) == pytest.approx(0.0, abs=1e-9)

    def test_gradcheck_masked_positions_and_shifts(self, name):
        few = SPARSE[name][0]
        ids, logprobs = topk(logits(1), K)
        assert torch.autograd.gradcheck(lambda s: few(s, ids, logprobs, MASK), (logits(0, grad=True),))
        changed = logits(0) - 2.0
        changed[MASK == 0] = float("nan")
        same = few(logits(0), ids, logprobs, MASK)
        assert float(few(changed, ids, logprobs, MASK)) == pytest.approx(float(same), abs=1e-9)

    def test_a_teacher_that_is_certain_gives_finite_numbers(self, name):
        few = SPARSE[name][0]
        ids, logprobs = topk(logits(1, dtype=torch.bfloat16).float() * 200, K)
        student = logits(0, dtype=torch.bfloat16).detach().mul(30).requires_grad_()
        value = few(student, ids, logprobs, MASK)
        value.backward()
        assert torch.isfinite(value)
        assert torch.isfinite(student.grad).all()


def settings_of(field) -> list[float]:
    """Two values that a numeric setting allows, not its bounds."""
    low: float = 0.0
    high: float | None = None
    for item in field.metadata:
        low = getattr(item, "ge", getattr(item, "gt", low))
        high = getattr(item, "le", getattr(item, "lt", high))
    high = low + 1.0 if high is None else high
    return [low + 0.2 * (high - low), low + 0.7 * (high - low)]


def value_of(name: str, settings: dict) -> float:
    """The value of a loss under some settings, on fixed answers or distributions."""
    part = SliceConfig(dataset_id="d", loss=name, loss_config=settings)
    if LOSSES[name].ranks:
        answers = Answers(torch.tensor([-9.0, -4.0]), torch.tensor([4, 3]), torch.tensor([-8.0, -6.0]))
        return float(RANKINGS[name](answers, **part.loss_config))
    between = dense.divergence(name, **part.loss_config)
    return float(between(logits(3).log_softmax(-1), logits(4).log_softmax(-1)).mean())


@pytest.mark.parametrize(
    ("name", "field"), [(n, f) for n, loss in LOSSES.items() for f in loss.config.model_fields if loss.config]
)
def test_every_setting_of_a_loss_changes_its_value(name, field):
    first, second = settings_of(LOSSES[name].config.model_fields[field])
    assert value_of(name, {field: first}) != pytest.approx(value_of(name, {field: second}), rel=1e-4)


def test_every_loss_that_is_listed_is_there():
    assert set(dense.DIVERGENCES) == {name for name, loss in LOSSES.items() if loss.compares}
    assert set(RANKINGS) == {name for name, loss in LOSSES.items() if loss.ranks}
    for name, function in {**dense.DIVERGENCES, **RANKINGS}.items():
        given = list(inspect.signature(function).parameters)
        assert given[1 if name in RANKINGS else 2 :] == list(LOSSES[name].config.model_fields), name


@pytest.mark.parametrize(
    ("loss", "settings", "word"),
    [
        ("no such loss", {}, "unknown loss"),
        ("generalized_jsd", {"beta": 2}, "loss_config.beta of generalized_jsd"),
        ("forward_kl", {"beta": 0.3}, "loss_config.beta of forward_kl"),
        ("dpo", {"order": 1}, "loss_config.order of dpo"),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused(loss, settings, word):
    with pytest.raises(ConfigError, match=word):
        load_config(SliceConfig, {"dataset_id": "d", "loss": loss, "loss_config": settings})


def test_slices_of_0_1_0_keep_what_their_loss_read():
    flat = {"dataset_id": "d", "beta": 0.5, "alpha": 0.1, "preference_beta": 0.1}
    read = [
        load_config(SliceConfig, flat | {"loss": loss} | changed).loss_config
        for loss, changed in (
            ("forward_kl", {}),
            ("generalized_jsd", {"beta": 0.3}),
            ("skew_kl", {"alpha": 0.4}),
            ("dpo", {"preference_beta": 0.7}),
        )
    ]
    assert read == [{}, {"beta": 0.3}, {"alpha": 0.4}, {"beta": 0.7}]
    foreign = flat | {"beta": 0.3}  # as sweeps of 0.1.0 wrote it into every arm
    assert load_config(SliceConfig, foreign).loss_config == {}
    refuse_foreign(foreign)  # the file of such a run may start another
    with pytest.raises(ConfigError, match="forward_kl has no such setting"):
        refuse_foreign({"dataset_id": "d", "beta": 0.3})
