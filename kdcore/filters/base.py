"""What a filter is: samples in, one verdict each out, in the same order; it never drops a row itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from kdcore.configs.base import Config
from kdcore.types import Verdict

Rows = Sequence[Mapping[str, str]]


@dataclass(frozen=True, slots=True)
class Filter:
    """A named check. Rows have ``sample_id``, ``question`` and ``answer``."""

    name: str
    summary: str
    config: type[Config]
    judge: Callable[[Rows, Any], list[Verdict]]
