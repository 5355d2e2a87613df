"""The pool of questions that an expansion grows: novelty is measured against all of it (Self-Instruct, §2.2)."""

from __future__ import annotations

import re
from collections import Counter
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
    """Texts with the ROUGE-L of a new one to its nearest."""

    def __init__(self, texts: list[str] | None = None) -> None:
        self.texts: list[str] = []
        self._bags: list[tuple[Counter[str], int]] = []
        for text in texts or []:
            self.add(text)

    def add(self, text: str) -> None:
        """Take a text in."""
        bag = Counter(words(text))
        self.texts.append(text)
        self._bags.append((bag, sum(bag.values())))

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
