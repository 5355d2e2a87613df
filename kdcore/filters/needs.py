"""What a check needs besides question and answer: found by the app before the start, loaded in the worker.

A ``Need`` has two halves. ``prepare`` runs in the app, where a missing model or map is refused before anything is
started; ``load`` runs in the worker and hands on the rows that have what is needed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from kdcore.errors import ConfigError

Row = dict[str, Any]  # sample_id, question, answer, and what needs add
Settings = dict[str, Any]
AT_ONCE = 256  # rows between two looks at the stop button, for checks that read one row at a time


class Desk(Protocol):
    """Where the app looks things up. Each raises ConfigError, with what to do, for what isn't there."""

    def model(self, name: str) -> str:
        """The local folder of a model or of a run's student; "" takes the built-in one."""
        ...

    def vectors(self) -> str:
        """The folder of the newest map."""
        ...

    def embedder(self) -> str:
        """The folder of the model that turns texts into vectors."""
        ...

    def held_out(self) -> Settings:
        """``against``, the questions that versions hold out, and ``own``, the samples they are of."""
        ...


class Bench(Protocol):
    """What a worker lends a check."""

    def embed(self, texts: Sequence[str], embedder: str) -> np.ndarray:
        """(N, D) float32 unit vectors of texts by the model in that folder."""
        ...

    def vector_of(self, folder: str) -> Callable[[str], np.ndarray | None]:
        """Looks up the vector of a sample on the map in that folder."""
        ...

    def check_stop(self) -> None:
        """Raise where the run is to stop."""
        ...


def _as_given(given: Settings, desk: Desk) -> Settings:
    return given


def _nowhere(desk: Desk) -> str:
    return ""


def _as_they_are(rows: list[Row], settings: Any, place: str, bench: Bench) -> list[Row]:
    return rows


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that checks need. ``column`` is what the rows carry then, "" where it is in the settings alone."""

    name: str
    column: str = ""
    prepare: Callable[[Settings, Desk], Settings] = _as_given  # a check's settings, completed
    place: Callable[[Desk], str] = _nowhere  # a folder that the worker reads, if any
    load: Callable[[list[Row], Any, str, Bench], list[Row]] = _as_they_are
    accelerator: bool = False
    at_once: int = AT_ONCE


def _with_reader(given: Settings, desk: Desk) -> Settings:
    return {**given, "student": desk.model(str(given.get("student") or ""))}


def _with_items(given: Settings, desk: Desk) -> Settings:
    return given if given.get("against") else {**given, **desk.held_out()}


def _vectors(rows: list[Row], settings: Any, place: str, bench: Bench) -> list[Row]:
    if not place:
        raise ConfigError("a check that goes by meaning needs a map; draw one first.")
    vector_of = bench.vector_of(place)
    found = ((row, vector_of(row["sample_id"])) for row in rows)
    return [{**row, "vector": vector} for row, vector in found if vector is not None]


def _nearest(rows: list[Row], settings: Any, place: str, bench: Bench) -> list[Row]:
    """Each row's cosine to the nearest evaluation item, and its place; items with a row's own text are no find."""
    items: Sequence[str] = settings.against
    asked = bench.embed([row["question"] or "" for row in rows], place)
    there = bench.embed(items, place)
    mine: dict[str, set[str]] = {}
    for sample, text in zip(settings.own, items, strict=False):
        mine.setdefault(sample, set()).add(text)
    found: list[Row] = []
    for start in range(0, len(rows), AT_ONCE):
        bench.check_stop()
        alike = asked[start : start + AT_ONCE] @ there.T
        for row, cosines in zip(rows[start : start + AT_ONCE], alike, strict=True):
            if texts := mine.get(row["sample_id"]):
                cosines[[place for place, text in enumerate(items) if text in texts]] = -1.0
            best = int(cosines.argmax())
            found.append({**row, "nearest_item": (float(cosines[best]), best)})
    return found


# a unit vector of the row's place on the newest map; rows without one are not judged
VECTOR = Need("a map", "vector", place=lambda desk: desk.vectors(), load=_vectors)
GOLD = Need("the answer that its seed came with", "gold")
SEED_ID = Need("the seed it was made from", "seed_id")
ENTROPY = Need("the teacher's entropy", "entropy")
SOURCE = Need("the passage it stands on", "source")  # "" where it has none
# the settings have ``against``, texts of an evaluation set, and ``own``, the samples that they are of
AGAINST = Need("an evaluation set", prepare=_with_items)
# the cosine to the nearest of those texts, not the row's own, and its place among them
NEAREST_ITEM = Need(
    "a model for meaning", "nearest_item", place=lambda desk: desk.embedder(), load=_nearest, accelerator=True
)
# the settings have ``student``, the folder of a model that reads
READER = Need("a model that reads", prepare=_with_reader, accelerator=True, at_once=8)
IN_A_FILE = (GOLD, SEED_ID)  # what the rows of any file can bring
