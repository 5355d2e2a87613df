"""Has a sample an evaluation item in it? By common runs of words, or by meaning; the pair is named."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.filters.base import Filter, Rows
from kdcore.filters.needs import AGAINST, NEAREST_ITEM
from kdcore.types import Verdict

_WORD = re.compile(r"\w+")


class ContaminationConfig(Config):
    """What must not be in the training data."""

    against: tuple[str, ...] = Field(default=(), description="Texts of the evaluation set")
    own: tuple[str, ...] = Field(default=(), description="Sample that each text is of, which may have it, if any")
    words: int = Field(default=8, ge=3, le=30, description="Words in a row that are no accident")
    max_share: float = Field(default=0.2, ge=0, le=1, description="Largest share of an item's word runs in a sample")


def _runs(text: str, length: int) -> Iterator[tuple[str, ...]]:
    words = _WORD.findall(text.lower())
    if words and len(words) < length:
        yield tuple(words)  # a short item counts as a whole
    for start in range(len(words) - length + 1):
        yield tuple(words[start : start + length])


def _contamination(rows: Rows, config: ContaminationConfig) -> list[Verdict]:
    """Brown 2020 (GPT-3), appendix C: runs of words that an item and a sample have in common."""
    items = [set(_runs(text, config.words)) for text in config.against]
    where: dict[tuple[str, ...], list[int]] = {}
    for number, item in enumerate(items):
        for run in item:
            where.setdefault(run, []).append(number)
    lengths = sorted({len(run) for run in where})

    own: dict[str, set[int]] = {}
    same: dict[str, set[int]] = {}  # one text may be there for several samples
    for number, text in enumerate(config.against):
        same.setdefault(" ".join(text.lower().split()), set()).add(number)
    for sample_id, text in zip(config.own, config.against, strict=False):
        own.setdefault(sample_id, set()).update(same[" ".join(text.lower().split())])

    def one(sample_id: str, text: str) -> Verdict:
        words = _WORD.findall(text.lower())
        common: dict[int, int] = {}
        seen = {tuple(words[i : i + n]) for n in lengths for i in range(len(words) - n + 1)}
        for run in seen:
            for number in where.get(run, ()):
                common[number] = common.get(number, 0) + 1
        for number in own.get(sample_id, ()):
            common.pop(number, None)
        if not common:
            return Verdict(True, "", 0.0)
        share, worst = max((count / len(items[number]), -number) for number, count in common.items())
        if share <= config.max_share:
            return Verdict(True, "", share)
        item = " ".join(config.against[-worst].split())[:120]
        return Verdict(False, f'has {share:.0%} of evaluation item {-worst + 1}: "{item}"', share)

    return [one(row["sample_id"], f"{row['question']}\n{row['answer']}") for row in rows]


class MeaningConfig(Config):
    """What must not be asked in other words."""

    against: tuple[str, ...] = Field(default=(), description="Texts of the evaluation set")
    own: tuple[str, ...] = Field(default=(), description="Sample that each text is of, which may have it, if any")
    threshold: float = Field(default=0.9, gt=0, le=1, description="Cosine at and above which a question is the same")


def _by_meaning(rows: Rows, config: MeaningConfig) -> list[Verdict]:
    """Cosine of a sample's question to its nearest evaluation item (Yang 2023, LLM decontaminator, step 1)."""

    def one(cosine: float, item: int) -> Verdict:
        if cosine < config.threshold:
            return Verdict(True, "", cosine)
        text = " ".join(config.against[item].split())[:120]
        return Verdict(
            False, f'near to text {item + 1} of the evaluation set (cosine {cosine:.2f}): "{text}"', cosine
        )

    return [one(*row["nearest_item"]) for row in rows]


CONTAMINATION_BY_MEANING = Filter(
    "contamination_by_meaning",
    "An item of an evaluation set is asked in other words",
    MeaningConfig,
    _by_meaning,
    needs=(AGAINST, NEAREST_ITEM),
)
CONTAMINATION = Filter(
    "contamination",
    "An item of an evaluation set is in it",
    ContaminationConfig,
    _contamination,
    needs=(AGAINST,),
)
