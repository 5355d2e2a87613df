"""The survey's Eq. 2 in the loop's terms: each slice's weight, and the term by which its tokens learn."""

from __future__ import annotations

from collections.abc import Sequence

from kdcore.configs.distillation import SliceConfig
from kdcore.distill.data import Teaching
from kdcore.distill.losses import LOSSES
from kdcore.distill.losses.divergences import point
from kdcore.distill.objective import TEXT, Term


def teaching_of(slices: Sequence[SliceConfig]) -> tuple[tuple[Term, ...], Teaching]:
    """The divergences of a recipe, and for each slice which of them it uses."""
    terms: list[Term] = []
    kinds: list[int] = []
    for part in slices:
        if not LOSSES[part.loss].divergence:
            kinds.append(TEXT)
            continue
        kinds.append(len(terms))
        between = point(part.loss, beta=part.beta, alpha=part.alpha)
        terms.append(Term(between, live=part.targets == "live", temperature=part.temperature))
    live = tuple(kind != TEXT and terms[kind].live for kind in kinds)
    return tuple(terms), Teaching(tuple(part.weight for part in slices), tuple(kinds), live)


def heldout_teaching(slices: int) -> Teaching:
    """Every slice measured against its stored top-k."""
    return Teaching((1.0,) * slices, (0,) * slices, (False,) * slices)
