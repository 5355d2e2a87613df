"""Does an answer agree with the gold one, and with its own siblings? Word F1 (Rajpurkar 2016, SQuAD §6.1)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from itertools import islice

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.filters.base import Filter, Rows
from kdcore.filters.needs import GOLD as GOLD_ANSWER
from kdcore.filters.needs import SEED_ID
from kdcore.types import Verdict

_WORD = re.compile(r"\w+")


def word_f1(a: str, b: str) -> float:
    """Harmonic mean of the shares of common words, 0 to 1; 1 for two texts without a word."""
    left, right = Counter(_WORD.findall(a.lower())), Counter(_WORD.findall(b.lower()))
    common = (left & right).total()
    if not left or not right:
        return float(left == right)
    return 2 * common / (left.total() + right.total())


class GoldConfig(Config):
    """How near to the gold answer is near enough."""

    min_f1: float = Field(default=0.3, ge=0, le=1, description="Least word F1 with the gold answer")


def _gold(rows: Rows, config: GoldConfig) -> list[Verdict]:
    def one(answer: str, gold: str) -> Verdict:
        if not gold.strip():
            return Verdict(True)  # nothing to compare with
        if gold.strip().lower() == answer.strip().lower():
            return Verdict(True, "", 1.0)
        near = word_f1(answer, gold)
        passed = near >= config.min_f1
        return Verdict(passed, "" if passed else f'{near:.0%} like the gold answer "{gold.strip()[:80]}"', near)

    return [one(row["answer"], row.get("gold") or "") for row in rows]


class ConsistencyConfig(Config):
    """How alike a seed's answers have to be."""

    min_f1: float = Field(default=0.3, ge=0, le=1, description="Least mean word F1 with the seed's other answers")


def _consistency(rows: Rows, config: ConsistencyConfig) -> list[Verdict]:
    """Mean agreement with the other answers to the same seed (Wang 2022's idea, for free text)."""
    siblings: dict[tuple[str, str], list[int]] = defaultdict(list)
    keys = [(row.get("seed_id") or row["sample_id"], " ".join(row["question"].lower().split())) for row in rows]
    for place, key in enumerate(keys):  # one passage has many questions: those are not answered differently
        siblings[key].append(place)

    def one(place: int) -> Verdict:
        row = rows[place]
        others = list(islice((i for i in siblings[keys[place]] if i != place), MAX_SIBLINGS))
        if not others:
            return Verdict(True)  # asked once
        mean = sum(word_f1(row["answer"], rows[i]["answer"]) for i in others) / len(others)
        passed = mean >= config.min_f1
        why = "" if passed else f"only {mean:.0%} like the {len(others)} other answers to its question"
        return Verdict(passed, why, mean)

    return [one(place) for place in range(len(rows))]


MAX_SIBLINGS = 32

GOLD = Filter("gold", "The answer differs from the gold answer", GoldConfig, _gold, needs=(GOLD_ANSWER,))
CONSISTENCY = Filter(
    "self_consistency",
    "The teacher answers the same question differently",
    ConsistencyConfig,
    _consistency,
    needs=(SEED_ID,),
    by_row=False,
)
