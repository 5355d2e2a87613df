"""What language an answer is in, and how hard it is to read."""

from __future__ import annotations

import re
from collections import Counter

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.errors import MissingDependency
from kdcore.filters.base import Filter, Rows
from kdcore.types import Verdict


class LanguageConfig(Config):
    """Which language is expected."""

    expected: str = Field(
        default="", pattern=r"^([a-z]{2,3})?$", description="Two-letter code; empty takes what most answers are in"
    )
    min_letters: int = Field(default=40, ge=1, description="Shorter answers are not guessed at")


LETTERS = re.compile(r"[^\W\d_]")


def _language(rows: Rows, config: LanguageConfig) -> list[Verdict]:
    """By py3langid, which needs about 40 letters to be right."""
    try:
        import py3langid
    except ImportError as exc:
        raise MissingDependency("the language check needs py3langid; pip install 'kdcore[models]'.") from exc
    found = [
        py3langid.classify(row["answer"])[0] if len(LETTERS.findall(row["answer"])) >= config.min_letters else ""
        for row in rows
    ]
    counts = Counter(code for code in found if code)
    expected = config.expected or (counts.most_common(1)[0][0] if counts else "")
    return [
        Verdict(True) if code in ("", expected) else Verdict(False, f"reads as {code}, not {expected}")
        for code in found
    ]


class ReadabilityConfig(Config):
    """How hard is too hard."""

    max_grade: float = Field(default=18.0, ge=1, le=40, description="School years needed; 12 is a lay reader's limit")
    min_words: int = Field(default=20, ge=1, description="Shorter answers are not measured")


_SENTENCE_END = re.compile(r"[.!?…]+(?:\s|$)|\n+")


def reading_grade(text: str) -> float:
    """Automated Readability Index (Smith and Senter 1967): years of school to read it easily."""
    words = text.split()
    sentences = max(1, sum(1 for part in _SENTENCE_END.split(text) if part.strip()))
    characters = sum(1 for c in text if c.isalnum())
    return 4.71 * characters / max(1, len(words)) + 0.5 * len(words) / sentences - 21.43


def _readability(rows: Rows, config: ReadabilityConfig) -> list[Verdict]:
    def one(answer: str) -> Verdict:
        if len(answer.split()) < config.min_words:
            return Verdict(True)
        grade = reading_grade(answer)
        passed = grade <= config.max_grade
        return Verdict(passed, "" if passed else f"needs about {grade:.0f} years of school to read", grade)

    return [one(row["answer"]) for row in rows]


LANGUAGE = Filter("language", "The answer is in another language", LanguageConfig, _language, by_row=False)
READABILITY = Filter("readability", "The answer is hard to read", ReadabilityConfig, _readability)
