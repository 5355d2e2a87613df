"""What a causal LM gives out for a batch, before its output layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from kdcore.distill.batch import Batch
from kdcore.distill.student import hf_model


def outputs_of(model: Any, batch: Batch, **wanted: bool) -> Any:
    """What the body of a causal LM gives out for a batch; ``last_hidden_state`` is (B, T, H)."""
    return hf_model(model).base_model(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, use_cache=False, **wanted
    )


def flat_states(outputs: Any) -> Tensor:
    """The last states (B·T, H)."""
    states = outputs.last_hidden_state
    return states.reshape(-1, states.shape[-1])


def head_of(model: Any) -> Tensor:
    """The weight (V, H) of the output layer."""
    return hf_model(model).get_output_embeddings().weight
