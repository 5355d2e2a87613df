"""Losses against slow float64 references written here, and the properties they must have."""

import inspect
import math
from dataclasses import replace

import pytest
import torch

from kdcore.configs.base import load_config
from kdcore.configs.distillation import SliceConfig
from kdcore.configs.losses import refuse_foreign
from kdcore.distill.batches.targets import TEXT, LossTerm, Targets
from kdcore.distill.losses import LOSSES, sparse
from kdcore.distill.losses import divergences as dense
from kdcore.distill.losses.ranking import RANKINGS, Answers
from kdcore.distill.losses.sequence import sequence_level_kd
from kdcore.distill.terms.chunked_loss import LiveTeacher, head_loss
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
        ("renyi", {}, "unknown loss"),
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
    with pytest.raises(ConfigError, match="forward_kl has no such setting"):
        refuse_foreign(foreign)
