"""A packed step is the padded step: same losses, same gradients, fewer tokens."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from kdcore.distill.batches.batch import Batch, SliceTerms, collate
from kdcore.distill.batches.packing import can_pack, pack
from kdcore.distill.batches.rows import Row
from kdcore.distill.batches.targets import TEXT
from kdcore.distill.student import forward
from kdcore.distill.terms.chunked_loss import head_loss

SMALL: dict[str, Any] = {
    "vocab_size": 40,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
# two with one beginning, one of these cut short within it, one that shares nothing, one twice
SEQUENCES = [[1, 2, 3, 4, 5, 6], [1, 2, 3, 9, 8], [1, 2], [7, 6, 5], [7, 6, 5]]


def a_model(kind: str = "llama", **options: Any) -> Any:
    from transformers import AutoConfig  # two seconds, which collecting the tests need not wait for
    from transformers.models.auto.modeling_auto import AutoModelForCausalLM

    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **(options or SMALL))
    return AutoModelForCausalLM.from_config(config).double().train()


def a_batch(sequences: list[list[int]]) -> Batch:
    rows = [Row(str(number), 0, 1, ids, False, None, None) for number, ids in enumerate(sequences)]
    return collate(rows, 0, SliceTerms((1.0,), (TEXT,), (False,), (False,)))


def learn(model: Any, batch: Batch) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    model.zero_grad()
    states = forward.read(model, batch).states(batch.positions)
    batch.targets.weights = batch.targets.weights.double()
    loss, each = head_loss(states, forward.head_of(model), batch.targets)
    loss.backward()
    return each, {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def test_what_stands_after_the_same_beginning_is_there_once() -> None:
    packing = pack(SEQUENCES, 6)
    assert packing.ids.tolist() == [[1, 2, 3, 4, 5, 6, 9, 8, 7, 6, 5]]
    assert packing.position_ids.tolist() == [[0, 1, 2, 3, 4, 5, 3, 4, 0, 1, 2]]
    places = packing.where.view(5, 6).tolist()
    assert [places[row][: len(ids)] for row, ids in enumerate(SEQUENCES)] == [
        [0, 1, 2, 3, 4, 5],
        [0, 1, 2, 6, 7],
        [0, 1],
        [8, 9, 10],
        [8, 9, 10],
    ]
    assert packing.where[packing.first].tolist() == list(range(11))


@pytest.mark.parametrize(("kind", "own"), [("llama", {}), ("qwen3", {"head_dim": 4})])
def test_packed_learns_what_padded_learns(kind: str, own: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    model, batch = a_model(kind, **SMALL, **own), a_batch(SEQUENCES)
    assert can_pack(model.base_model)
    packed, packed_gradients = learn(model, batch)
    assert forward.tokens_read(model, batch) == 11
    monkeypatch.setattr(forward, "can_pack", lambda model: False)
    padded, padded_gradients = learn(model, batch)
    assert forward.tokens_read(model, batch) == 19
    torch.testing.assert_close(packed, padded, rtol=1e-5, atol=1e-5)  # kept in float32
    assert packed_gradients.keys() == padded_gradients.keys()
    for name, gradient in padded_gradients.items():
        torch.testing.assert_close(packed_gradients[name], gradient, rtol=1e-4, atol=1e-7)  # as the head is


def test_no_sequence_sees_another() -> None:
    model, alone = a_model(), a_batch(SEQUENCES[:1])
    beside = a_batch([SEQUENCES[0], [1, 2, 30, 31, 32]])
    with torch.no_grad():
        one = forward.read(model, alone).states(alone.positions)
        two = forward.read(model, beside).states(beside.positions)[: len(one)]
    torch.testing.assert_close(one, two, rtol=1e-12, atol=1e-12)


def test_the_models_own_attention_is_back_afterwards() -> None:
    model = a_model()
    forward.read(model, a_batch(SEQUENCES))
    assert model.config._attn_implementation == "sdpa"
    said = model.generate(torch.tensor([[1, 2]]), max_new_tokens=2, do_sample=False, pad_token_id=0)
    assert said.shape[0] == 1


@pytest.mark.parametrize("why", ["window", "eager"])
def test_what_does_not_attend_to_all_before_it_is_padded(why: str) -> None:
    model = a_model("mistral", **SMALL, sliding_window=4) if why == "window" else a_model()
    batch = a_batch(SEQUENCES)
    if why == "eager":
        model.set_attn_implementation("eager")
    assert not can_pack(model.base_model)
    each, _ = learn(model, batch)
    assert torch.isfinite(each).all()


def test_positions_of_their_own_are_packed_too_or_padded() -> None:
    sizes = {"vocab_size": 40, "n_embd": 16, "n_layer": 2, "n_head": 2}
    model = a_model("gpt2", **sizes, resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0)
    batch = a_batch(SEQUENCES)
    packed, _ = learn(model, batch)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(forward, "can_pack", lambda model: False)
        padded, _ = learn(model, batch)
    torch.testing.assert_close(packed, padded, rtol=1e-5, atol=1e-5)
