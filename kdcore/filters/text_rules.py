"""Rules that read one answer at a time."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.filters.base import Filter, Rows
from kdcore.types import Verdict


class LengthConfig(Config):
    """Bounds in words."""

    min_words: int = Field(default=5, ge=0, description="Shorter answers fail")
    max_words: int = Field(default=400, ge=1, description="Longer answers fail")


def _length(rows: Rows, config: LengthConfig) -> list[Verdict]:
    def one(answer: str) -> Verdict:
        words = len(answer.split())
        if words < config.min_words:
            return Verdict(False, f"{words} words, fewer than {config.min_words}", float(words))
        if words > config.max_words:
            return Verdict(False, f"{words} words, more than {config.max_words}", float(words))
        return Verdict(True, "", float(words))

    return [one(row["answer"]) for row in rows]


class RefusalConfig(Config):
    """Nothing to set."""


_REFUSES = re.compile(
    r"\b(as an ai|i(?:['’]m| am) (?:sorry|unable|not able)|i can(?:no|['’])t (?:help|assist|provide|answer)"
    r"|consult (?:a|your) (?:doctor|lawyer|physician|attorney) instead of)",
    re.IGNORECASE,
)


def _refusal(rows: Rows, config: RefusalConfig) -> list[Verdict]:
    found = [_REFUSES.search(row["answer"][:4000]) for row in rows]
    return [Verdict(False, f'declines: "{match.group(0)}"') if match else Verdict(True) for match in found]


class RepetitionConfig(Config):
    """How much of an answer may repeat itself."""

    max_share: float = Field(default=0.3, ge=0, le=1, description="Largest share of repeated four-word runs")


def _repetition(rows: Rows, config: RepetitionConfig) -> list[Verdict]:
    def one(answer: str) -> Verdict:
        words = answer.lower().split()
        runs = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
        total = sum(runs.values())
        share = 1 - len(runs) / total if total else 0.0
        passed = share <= config.max_share
        return Verdict(passed, "" if passed else f"{share:.0%} of its four-word runs repeat", share)

    return [one(row["answer"]) for row in rows]


class PlaceholderConfig(Config):
    """Nothing to set."""


# Left-over blanks: "Article X", "[name]", "Lorem ipsum", "XXXX", "____".
_PLACEHOLDER = re.compile(
    r"\b(?:article|section|clause|paragraph|act|case|drug|law)\s+(?:X{1,4}|Y{1,4}|N{2,4})\b(?![.\w])"
    r"|\[(?:insert|your|name|date|client|patient|company|party|address|amount)\b[^\]\n]{0,60}\]"
    r"|\blorem ipsum\b|\bX{4,}\b|_{4,}|\{\{[^}\n]{1,40}\}\}",
    re.IGNORECASE,
)


def _placeholder(rows: Rows, config: PlaceholderConfig) -> list[Verdict]:
    found = [_PLACEHOLDER.search(row["answer"]) for row in rows]
    return [Verdict(False, f'has a blank left in: "{match.group(0)}"') if match else Verdict(True) for match in found]


class TruncationConfig(Config):
    """Nothing to set."""


# Last marks of a sentence, a list, a quotation, a formula, a code block or a table; a digit ends too.
_ENDS = frozenset(".!?…。！？:;)]}\"'”’»`|*%")


def _truncation(rows: Rows, config: TruncationConfig) -> list[Verdict]:
    def one(answer: str) -> Verdict:
        words = answer.split()
        if len(words) < 4 or words[-1][-1] in _ENDS or words[-1][-1].isdigit():
            return Verdict(True)
        return Verdict(False, f'stops in the middle: "… {" ".join(words[-3:])[-60:]}"')

    return [one(row["answer"]) for row in rows]


class ExactDuplicatesConfig(Config):
    """Nothing to set."""


def _exact_duplicates(rows: Rows, config: ExactDuplicatesConfig) -> list[Verdict]:
    """Equal but for case and spaces; the first row in the order given is kept."""
    first: dict[str, Any] = {}
    verdicts: list[Verdict] = []
    for row in rows:
        text = " ".join(f"{row['question']}\n{row['answer']}".lower().split())
        kept = first.setdefault(text, row["sample_id"])
        same = kept != row["sample_id"]
        verdicts.append(Verdict(False, f"the same as sample {kept}", 1.0, kept) if same else Verdict(True))
    return verdicts


LENGTH = Filter("length", "Too short or too long", LengthConfig, _length)
REFUSAL = Filter("refusal", "The answer declines to answer", RefusalConfig, _refusal)
REPETITION = Filter("repetition", "The answer repeats itself", RepetitionConfig, _repetition)
PLACEHOLDER = Filter("placeholder", "A blank was left in, such as Article X", PlaceholderConfig, _placeholder)
TRUNCATION = Filter("truncation", "The answer stops in the middle of a sentence", TruncationConfig, _truncation)
EXACT_DUPLICATES = Filter(
    "exact_duplicates",
    "Question and answer are those of an earlier sample",
    ExactDuplicatesConfig,
    _exact_duplicates,
    by_row=False,
)
