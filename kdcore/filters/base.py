"""What a filter is: samples in, one verdict each out, in the same order; it never drops a row itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

from kdcore.configs.base import Config
from kdcore.filters.needs import Need
from kdcore.types import Verdict

Rows = Sequence[Mapping[str, Any]]
Tick = Callable[[int], None]
C = TypeVar("C", bound=Config)


def no_tick(done: int) -> None:
    """Nobody is told how far a filter is."""


@dataclass(frozen=True, slots=True)
class Filter(Generic[C]):
    """A named check. Rows have ``sample_id``, ``question`` and ``answer``, and what its ``needs`` bring.

    ``by_row`` says that a verdict never depends on the other rows, so that judged rows need no second look. A filter
    that is slow and looks at all rows at once takes a third argument, ``tick``: it is called with the number of rows
    that are through, often, and may raise to stop; ``ticks`` says so.
    """

    name: str
    summary: str
    config: type[C]
    judge: Callable[[Rows, C], list[Verdict]]
    needs: tuple[Need, ...] = ()
    by_row: bool = True
    ticks: bool = False

    def verdicts(self, rows: Rows, settings: C, tick: Tick = no_tick) -> list[Verdict]:
        """One verdict for each row; ``tick`` hears of those that are through, where the filter tells."""
        if self.ticks:
            return cast("Callable[[Rows, C, Tick], list[Verdict]]", self.judge)(rows, settings, tick)
        return self.judge(rows, settings)
