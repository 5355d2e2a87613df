"""The pool of questions that an expansion grows: novelty is measured against all of it (Self-Instruct, §2.2)."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from typing import Any

_WORD = re.compile(r"\w+")


def words(text: str) -> list[str]:
    """Lower-case words."""
    return _WORD.findall(text.lower())


def distinct_share(texts: list[str], n: int = 2) -> float:
    """Distinct runs of ``n`` words over all runs (Li et al. 2016), 0 to 1; falls when answers grow alike."""
    runs = [run for text in texts for run in zip(*(words(text)[i:] for i in range(n)), strict=False)]
    return len(set(runs)) / len(runs) if runs else 0.0


@cache
def _scorer() -> Any:
    from rouge_score.rouge_scorer import RougeScorer  # imports a lot: only where a pool is used

    return RougeScorer(["rougeL"])


class Pool:
    """Texts with the ROUGE-L of a new one to its nearest, and which of them belong together."""

    def __init__(self, texts: Iterable[str | tuple[str, str]] = ()) -> None:
        self.texts: list[str] = []
        self._bags: list[tuple[Counter[str], int]] = []
        self._groups: dict[str, str] = {}
        for item in texts:
            self.add(*((item, "") if isinstance(item, str) else item))

    def add(self, text: str, group: str = "") -> None:
        """Take a text in; ``group`` is what a split keeps whole."""
        bag = Counter(words(text))
        self.texts.append(text)
        self._bags.append((bag, sum(bag.values())))
        if group:
            self._groups.setdefault(text, group)

    def group(self, text: str) -> str:
        """The group of a text, "" where none was given."""
        return self._groups.get(text, "")

    def partners(self, text: str) -> list[str]:
        """Texts that may be put into one row with this one, and the split still has two sides.

        Those of the same group; without any, the one neighbour in the order of the pool, so that at most two
        groups are tied together.
        """
        own = self.group(text)
        same = [other for other, group in self._groups.items() if group == own and other != text]
        if same or text not in self._groups:
            return same
        members = Counter(self._groups.values())
        alone = [other for other, group in self._groups.items() if members[group] == 1]
        place = alone.index(text) ^ 1
        return alone[place : place + 1]

    def nearest(self, text: str) -> tuple[float, str]:
        """``(ROUGE-L F, the nearest text)``; (0, "") for an empty pool.

        Common words bound the common subsequence, so only candidates that could be nearer are scored.
        """
        bag = Counter(words(text))
        total = sum(bag.values())
        best, place = 0.0, ""
        for other, (known, size) in zip(self.texts, self._bags, strict=True):
            common = sum(min(count, known[word]) for word, count in bag.items() if word in known)
            bound = 2 * common / (total + size) if total + size else 0.0
            if bound > best:
                score = float(_scorer().score(other, text)["rougeL"].fmeasure)
                if score > best:
                    best, place = score, other
        return best, place
