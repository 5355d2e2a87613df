"""A step's sequences without padding, and without reading twice what they begin with.

All tokens of a step lie in one row; sequences that begin alike (a shared system message, worked examples, the same
question under several answers) share those tokens. Layers that treat each token by itself see every token once;
attention alone runs sequence by sequence, so no sequence sees another. A causal state depends on what stands before
it and on nothing else, so losses and gradients are those of the padded batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

NAME = "kd_packed"  # among the attention implementations of transformers
GIVEN = "kd_packing"  # the keyword that carries a packing to each layer's attention


@dataclass(slots=True)
class Packing:
    """U tokens for B sequences of at most T; a place is the flat index b·T + t of the padded batch."""

    ids: Tensor  # (1, U)
    position_ids: Tensor  # (1, U) how many tokens stand before each in its sequence
    where: Tensor  # (B·T,) the token at each place; 0 where there is padding
    first: Tensor  # (U,) the first place of each token
    width: int  # T


def pack(sequences: Sequence[Sequence[int]], width: int) -> Packing:
    """Each token once after each beginning; ``width`` is T, at least the longest sequence."""
    places: dict[tuple[int, int], int] = {}  # (token before it, id) → token; -1 before the first
    ids: list[int] = []
    depths: list[int] = []
    first: list[int] = []
    where = torch.zeros(len(sequences) * width, dtype=torch.long)
    for row, sequence in enumerate(sequences):
        before, path = -1, list[int]()
        for depth, token in enumerate(sequence):
            here = places.setdefault((before, token), len(ids))
            if here == len(ids):
                ids.append(token)
                depths.append(depth)
                first.append(row * width + depth)
            path.append(here)
            before = here
        where[row * width : row * width + len(path)] = torch.tensor(path)
    return Packing(torch.tensor([ids]), torch.tensor([depths]), where, torch.tensor(first), width)


def can_pack(model: Any) -> bool:
    """Whether every layer of a transformers model attends to all before it, by an exchangeable implementation."""
    config = model.config
    kinds = set(getattr(config, "layer_types", None) or ["full_attention"])
    window = getattr(config, "sliding_window", None) if not getattr(config, "layer_types", None) else None
    usual = getattr(config, "_attn_implementation", None) in ("sdpa", NAME)
    softcap = getattr(config, "attn_logit_softcapping", None)
    exchangeable = bool(getattr(model, "_supports_attention_backend", False))
    return exchangeable and usual and kinds == {"full_attention"} and window is None and softcap is None


@contextmanager
def packed_attention(model: Any) -> Iterator[None]:
    """The model's attention is ours while the block runs."""
    _register()
    config = model.config
    before = config._attn_implementation
    config._attn_implementation = NAME
    try:
        yield
    finally:
        config._attn_implementation = before


def _register() -> None:
    from transformers import AttentionInterface

    if NAME not in AttentionInterface._global_mapping:  # pyright: ignore[reportPrivateUsage]
        AttentionInterface.register(NAME, _attend)


def _attend(
    module: Any, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **how: Any
) -> tuple[Tensor, None]:
    """Attention of (1, heads, U, D) tokens, sequence by sequence; returns (1, U, heads, D)."""
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    packing: Packing = how.pop(GIVEN)
    how["is_causal"] = True  # padding stands last, so no token sees it

    def by_sequence(states: Tensor) -> Tensor:  # (1, heads, U, D) → (B, heads, T, D)
        rows = states[0].transpose(0, 1)[packing.where]
        return rows.view(-1, packing.width, *rows.shape[1:]).transpose(1, 2)

    found, _ = sdpa_attention_forward(
        module, by_sequence(query), by_sequence(key), by_sequence(value), None, **how
    )  # (B, T, heads, D)
    return found.reshape(-1, *found.shape[2:])[packing.first].unsqueeze(0), None
