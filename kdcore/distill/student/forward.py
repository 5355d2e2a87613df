"""What a causal LM gives out for a batch, before its output layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

from kdcore.distill.batches.batch import Batch
from kdcore.distill.batches.packing import GIVEN, can_pack, packed_attention
from kdcore.distill.student.build import hf_model
from kdcore.distill.student.output_layer import as_computed


@dataclass(frozen=True, slots=True)
class Read:
    """What a body gave out; ``where`` tells at which of its tokens each place b·T + t of the batch is, if packed."""

    outputs: Any
    where: Tensor | None = None

    def states(self, places: Tensor) -> Tensor:
        """The last states (N, H) at N places of the batch, as the output layer takes them."""
        flat = self.outputs.last_hidden_state.flatten(0, 1)
        return as_computed(flat[places if self.where is None else self.where[places]])


def read(model: Any, batch: Batch, **wanted: bool) -> Read:
    """Run the body of a causal LM, packed where it can be; other outputs that are ``wanted`` are (B, T, …)."""
    body = hf_model(model).base_model
    if wanted or not can_pack(body):
        mask = batch.attention_mask
        return Read(body(input_ids=batch.input_ids, attention_mask=mask, use_cache=False, **wanted))
    packing = batch.packing
    with packed_attention(body):
        given = {GIVEN: packing}
        outputs = body(input_ids=packing.ids, position_ids=packing.position_ids, use_cache=False, **given)
    return Read(outputs, packing.where)


def tokens_read(model: Any, batch: Batch) -> int:
    """Tokens that the body computes for a batch, padding left out."""
    return batch.packing.ids.numel() if can_pack(hf_model(model).base_model) else int(batch.attention_mask.sum())


def head_of(model: Any) -> Tensor:
    """The weight (V, H) of the output layer."""
    return hf_model(model).get_output_embeddings().weight
