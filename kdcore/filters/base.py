"""What a filter is: samples in, one verdict each out, in the same order; it never drops a row itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from kdcore.configs.base import Config
from kdcore.types import Verdict

Rows = Sequence[Mapping[str, Any]]
Need = Literal["vector", "gold", "seed_id", "entropy", "against", "student", "nearest_item", "source"]


def no_tick(done: int) -> None:
    """Nobody is told how far a filter is."""


@dataclass(frozen=True, slots=True)
class Filter:
    """A named check. Rows have ``sample_id``, ``question`` and ``answer``, and what ``needs`` names.

    ``vector`` is a unit vector of the row's place on the newest map; ``gold`` the answer that the seed came with;
    ``against`` (in the config) the texts of an evaluation set; ``student`` (in the config) a model's folder;
    ``source`` the passage that a row stands on, "" where it has none;
    ``nearest_item`` the cosine to the nearest of those texts, not the row's own, and its place among them.
    ``by_row`` says that a verdict never depends on the other rows, so that judged rows need no second look. A filter
    that is slow and looks at all rows at once takes a third argument, ``tick``: it is called with the number of rows
    that are through, often, and may raise to stop; ``ticks`` says so.
    """

    name: str
    summary: str
    config: type[Config]
    judge: Callable[..., list[Verdict]]
    needs: tuple[Need, ...] = ()
    by_row: bool = True
    ticks: bool = False
