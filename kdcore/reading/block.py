"""A piece of a document."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Block:
    """A paragraph or heading (``level`` 1 to 6; 0 is text); ``page`` counts from 1, 0 where there are none."""

    text: str
    level: int = 0
    page: int = 0
