"""The output layer's products against those of float64, and the buffers of its gradient."""

import pytest
import torch

from kdcore.distill.batches.targets import TEXT, Targets
from kdcore.distill.student.output_layer import as_computed, logits_of
from kdcore.distill.terms.chunked_loss import head_loss

H, V = 16, 300


def given(n: int, dtype: torch.dtype = torch.float32):
    generator = torch.Generator().manual_seed(0)
    states = torch.randn(n, H, generator=generator).to(dtype).requires_grad_()
    head = torch.randn(V, H, generator=generator).requires_grad_()
    labels = torch.randint(0, V, (n,), generator=generator)
    return states, head, Targets(labels, torch.full((n,), 1 / max(n, 1)), torch.full((n,), TEXT))


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 0.1), (torch.float64, 1e-5)])
def test_logits_are_those_of_float64(dtype, error):
    states = torch.randn(14, H, generator=torch.Generator().manual_seed(1)).to(dtype)[::2]
    head = torch.randn(V, H, generator=torch.Generator().manual_seed(2)).to(dtype)
    found = logits_of(states, head)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found.double(), states.double() @ head.double().t(), atol=error, rtol=error)
    assert logits_of(states[:0], head).shape == (0, V)


@pytest.mark.parametrize(("dtype", "error"), [(torch.float32, 1e-5), (torch.bfloat16, 5e-3)])
@pytest.mark.parametrize("scale", [1.0, 0.25])
def test_gradients_add_up_over_chunks_at_any_scale(dtype, error, scale):
    states, head, targets = given(10, dtype)
    (head_loss(states, head, targets, (), 4)[0] * scale).backward()
    exact, exact_head = (x.detach().double().requires_grad_() for x in (states, head))
    (torch.nn.functional.cross_entropy(exact @ exact_head.t(), targets.labels) * scale).backward()
    torch.testing.assert_close(head.grad.double(), exact_head.grad, atol=error, rtol=error)
    torch.testing.assert_close(states.grad.double(), exact.grad, atol=error, rtol=error)


def test_nothing_to_learn_moves_nothing():
    states, head, targets = given(0)
    head_loss(states, head, targets)[0].backward()
    assert not head.grad.any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_the_products_are_made_as_autocast_makes_them():
    states, head, targets = given(10)
    states, head = (x.detach().cuda().requires_grad_() for x in (states, head))
    targets = Targets(targets.labels.cuda(), targets.weights.cuda(), targets.kinds.cuda())
    with torch.autocast("cuda", torch.bfloat16):
        taken = as_computed(states)
        assert taken.dtype == torch.bfloat16
        assert logits_of(taken, head.to(taken.dtype)).dtype == torch.float32
        head_loss(taken, head, targets, (), 4)[0].backward()
    with torch.autocast("cuda", torch.float16):
        assert as_computed(states).dtype == torch.float32
    exact, exact_head = (x.detach().double().requires_grad_() for x in (states, head))
    torch.nn.functional.cross_entropy(exact @ exact_head.t(), targets.labels).backward()
    assert states.grad.dtype == head.grad.dtype == torch.float32
    torch.testing.assert_close(head.grad.double(), exact_head.grad, atol=5e-3, rtol=5e-3)
    torch.testing.assert_close(states.grad.double(), exact.grad, atol=5e-3, rtol=5e-3)
