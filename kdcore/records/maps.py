"""Maps, their groups and as much of both as a picture needs, as the tables give them."""

from __future__ import annotations

from typing import Any, NotRequired, TypedDict


class NewGroup(TypedDict):
    """A group as a map's worker wrote it; ``parent`` is the broader group that it lies in."""

    cluster: int
    title: str
    size: int
    parent: NotRequired[int | None]
    parent_title: NotRequired[str | None]


class MapPoint(TypedDict):
    """A point with what a hover shows; ``colour`` is a word or an amount."""

    sample_id: str
    x: float
    y: float
    cluster: int
    title: str | None
    colour: Any
    question: str
    answer: str
    selected: bool


class Cell(TypedDict):
    """Samples in one cell of the density grid."""

    column: int
    line: int
    rows: int


class Group(TypedDict):
    """A group with shares (0 to 1) that were usable and that fail a check, and what people decided."""

    cluster: int
    title: str
    words: str
    size: int
    parent: int | None
    parent_title: str
    accepted: int
    rejected: int
    usable: float | None
    failing: float | None
    entropy: float | None


class GroupTitle(TypedDict):
    """A group's title and its middle."""

    cluster: int
    title: str
    size: int
    parent: int | None
    parent_title: str
    x: float | None
    y: float | None


class TypicalTexts(TypedDict):
    """The marking words of a group and the questions nearest to its middle."""

    cluster: int
    words: str
    texts: list[str]


class Shift(TypedDict):
    """Shares (0 to 1) of two runs' rows in one group."""

    cluster: int
    title: str
    before: float
    after: float


class Drift(TypedDict):
    """How two runs spread over the groups; ``distance`` is the total variation, 0 to 1."""

    groups: list[Shift]
    distance: float
