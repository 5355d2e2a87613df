"""What supervised tokens should have been, and the terms by which they learn it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from kdcore.distill.losses.divergences import Divergence

TEXT = -1  # the kind of a token that learns its label; any other number is a place among the divergences


@dataclass(frozen=True, slots=True)
class LossTerm:
    """One divergence of the recipe. ``live`` compares with the teacher's logits, else with its stored top-k.

    ``by_rank`` compares the student's likeliest words with the teacher's likeliest, whatever they are.
    """

    between: Divergence
    live: bool = False
    temperature: float = 1.0
    by_rank: bool = False


@dataclass(slots=True)
class Targets:
    """What the N supervised tokens of a batch should have been, and by which term each learns it."""

    labels: Tensor  # (N,) token ids
    weights: Tensor  # (N,) share of each token in the loss
    kinds: Tensor  # (N,) place of its term, or TEXT
    topk_ids: Tensor | None = None  # (N, K)
    topk_logprobs: Tensor | None = None  # (N, K)
    offsets: Tensor | None = None  # (N,) added to the losses; 0 but for words drawn from the tail
