"""An add-on to a recipe: inner states like the live teacher's, layer by layer (survey §3.2.2, Eq. 11)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from kdcore.configs.distillation import SimilarityConfig
from kdcore.distill.batches.batch import Batch
from kdcore.distill.losses import hidden

LOSSES = {
    "hidden_mse": hidden.hidden_mse,
    "hidden_l1": hidden.hidden_l1,
    "hidden_cosine": hidden.hidden_cosine,
    "hidden_cross_entropy": hidden.hidden_cross_entropy,
    "hidden_mmd": hidden.hidden_mmd,
    "attention_transfer": hidden.attention_transfer,
}


def layer_pairs(student: int, teacher: int, pairs: int, kept: list[int] | None = None) -> list[tuple[int, int]]:
    """Layers that are compared, counted from 1: evenly spread over the student's, the last with the last.

    ``kept`` are the teacher's layers, counted from 0, that a thinned student is made of; else depth decides.
    """
    pairs = min(pairs, student)
    layers = [round(student * (number + 1) / pairs) for number in range(pairs)]
    if kept is not None:
        return [(layer, kept[layer - 1] + 1) for layer in layers]
    return [(layer, max(1, round(layer * teacher / student))) for layer in layers]


class Similarity(torch.nn.Module):
    """The mean of one loss over pairs of layers; a projector, learnt with the student, where widths differ."""

    def __init__(self, config: SimilarityConfig, student: Any, teacher: Any, kept: list[int] | None = None) -> None:
        super().__init__()
        mine, theirs = student.config, teacher.config
        self.weight = config.weight
        self.loss = LOSSES[config.loss]
        self.attention = config.loss == "attention_transfer"
        self.pairs = layer_pairs(mine.num_hidden_layers, theirs.num_hidden_layers, config.layers, kept)
        if self.attention:  # only the plain implementation gives the weights out
            for model in (student, teacher):
                model.set_attn_implementation("eager")
        wide = mine.hidden_size != theirs.hidden_size and not self.attention
        self.projectors = torch.nn.ModuleList(
            torch.nn.Linear(mine.hidden_size, theirs.hidden_size, bias=False) for _ in (self.pairs if wide else ())
        )

    @property
    def wants(self) -> dict[str, bool]:
        """What a forward pass of either model must give out."""
        return {"output_attentions": True} if self.attention else {"output_hidden_states": True}

    def forward(self, mine: Any, theirs: Any, batch: Batch) -> Tensor:
        """A scalar, weighed, over the supervised positions; ``mine`` and ``theirs`` are the models' outputs."""
        mask = torch.zeros_like(batch.input_ids)
        mask.view(-1)[batch.positions] = 1
        total = torch.zeros((), device=mask.device)
        for place, (own, other) in enumerate(self.pairs):
            if self.attention:
                states, targets = mine.attentions[own - 1], theirs.attentions[other - 1]
            else:
                states, targets = mine.hidden_states[own], theirs.hidden_states[other]
                states = self.projectors[place](states) if self.projectors else states
            total = total + self.loss(states, targets, mask)
        return total * self.weight / len(self.pairs)
