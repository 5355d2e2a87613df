"""``LOSSES``: what a slice of data can teach. The functions are pure, in nats per supervised token."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss as the recipe names it."""

    name: str
    summary: str
    source: str
    needs_topk: bool


LOSSES: dict[str, Loss] = {
    "sequence_level_kd": Loss(
        "sequence_level_kd",
        "Learn the teacher's text word for word",
        "Kim & Rush 2016 (arXiv 1606.07947); survey Eq. 9",
        needs_topk=False,
    ),
    "forward_kl": Loss(
        "forward_kl",
        "Match the teacher's likeliest next words at every position, with a tail for the rest",
        "Hinton et al. 2015 (arXiv 1503.02531); survey Eq. 10",
        needs_topk=True,
    ),
}
