"""The survey's Eq. 2 in the loop's terms: each slice's weight, and the term by which its rows learn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from kdcore.configs.distillation import SliceConfig
from kdcore.distill.batches.batch import SliceTerms
from kdcore.distill.batches.targets import TEXT, LossTerm
from kdcore.distill.losses.divergences import divergence


def teaching_of(slices: Sequence[SliceConfig]) -> tuple[tuple[LossTerm, ...], SliceTerms]:
    """The divergences of a recipe, and for each slice which of them it uses, if any."""
    terms: list[LossTerm] = []
    kinds: list[int] = []
    for part in slices:
        if not part.traits.compares:
            kinds.append(TEXT)
            continue
        kinds.append(len(terms))
        between = divergence(part.loss, **part.loss_config)
        terms.append(LossTerm(between, part.targets == "live", part.temperature, part.traits.by_rank))
    return tuple(terms), SliceTerms(
        weights=tuple(part.weight for part in slices),
        kinds=tuple(kinds),
        live=tuple(kind != TEXT and terms[kind].live for kind in kinds),
        ranks=tuple(part.traits.ranks for part in slices),
        focus=tuple(part.focus for part in slices),
    )


def heldout_teaching(slices: int) -> SliceTerms:
    """Every slice's own answer measured against its stored top-k."""
    return SliceTerms((1.0,) * slices, (0,) * slices, (False,) * slices, (False,) * slices)


def only(number: int, teaching: SliceTerms) -> SliceTerms:
    """The recipe with one slice's weight alone, with none for a number that no slice has."""
    weights = tuple(weight if place == number else 0.0 for place, weight in enumerate(teaching.weights))
    return replace(teaching, weights=weights)
