"""Rules that read one answer at a time."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.filters.base import Filter, Rows
from kdcore.types import Verdict
from kdcore.wording import count_words, pieces, refusal_of


class LengthConfig(Config):
    """Bounds in words."""

    min_words: int = Field(default=2, ge=0, description="Shorter answers fail")
    max_words: int = Field(default=400, ge=1, description="Longer answers fail")


def _length(rows: Rows, config: LengthConfig) -> list[Verdict]:
    def one(answer: str) -> Verdict:
        words = count_words(answer)
        if words < config.min_words:
            return Verdict(False, f"{words} words, fewer than {config.min_words}", float(words))
        if words > config.max_words:
            return Verdict(False, f"{words} words, more than {config.max_words}", float(words))
        return Verdict(True, "", float(words))

    return [one(row["answer"]) for row in rows]


class RefusalConfig(Config):
    """Nothing to set."""


def _refusal(rows: Rows, config: RefusalConfig) -> list[Verdict]:
    found = [refusal_of(row["answer"]) for row in rows]
    return [Verdict(False, f'declines: "{words}"') if words else Verdict(True) for words in found]


# A piece of text ten times or more in a row. Dots, lines and zeros are layout, unless they are most of the answer.
_LOOP = re.compile(r"(.{2,24}?)\1{9,}", re.DOTALL)


def _loop(answer: str) -> str:
    """The piece that a stuck model wrote again and again, or nothing."""
    for match in _LOOP.finditer(answer):
        if any(letter.isalpha() for letter in match[1]) or 2 * len(match[0]) > len(answer):
            return match[1].strip() or match[1]
    return ""


LONGEST_TURN, TURNS = 80, 4  # words of what a stuck model says, and how often it has said it at the end


def _stuck_end(words: Sequence[str]) -> str:
    """What an answer says over and over at its end, however long what stands before; or nothing."""
    end = words[-LONGEST_TURN * TURNS :]
    for turn in range(1, LONGEST_TURN + 1):
        same = 0
        while same + turn < len(end) and end[-1 - same] == end[-1 - same - turn]:
            same += 1
        if same >= max((TURNS - 1) * turn, 3 * TURNS) and _is_prose(end[-turn:]):
            return " ".join(end[-turn:])[:60]
    return ""


def _is_prose(words: Sequence[str]) -> bool:
    """No lines, numbers or blanks to fill in, which forms and tables repeat."""
    text = "".join(words)
    return any(letter.isalpha() for letter in text) and "__" not in text


class RepetitionConfig(Config):
    """How much of an answer may repeat itself."""

    max_share: float = Field(default=0.3, ge=0, le=1, description="Largest share of repeated four-word runs")


def _repetition(rows: Rows, config: RepetitionConfig) -> list[Verdict]:
    def one(answer: str) -> Verdict:
        words = pieces(answer)
        if loop := _loop(answer.strip()) or _stuck_end(words):
            return Verdict(False, f'"{loop}" again and again', 1.0)
        runs = Counter(zip(words, words[1:], words[2:], words[3:], strict=False))
        total = sum(runs.values())
        share = 1 - len(runs) / total if total else 0.0
        passed = share <= config.max_share
        return Verdict(passed, "" if passed else f"{share:.0%} of its four-word runs repeat", share)

    return [one(row["answer"]) for row in rows]


class PlaceholderConfig(Config):
    """Nothing to set."""


# What a template's blank is called. In capitals, or with a first capital: "[party]" in small letters is how lawyers
# speak of a slot, and "Article XX" is a number.
_SLOT = (
    r"(?:NAMES?|DATE|AMOUNT|ADDRESS|CITY|STATE|COUNTRY|COMPANY|CLIENT|PATIENT|PARTY|TENANT|LANDLORD|LESSEE|LESSOR|EMPLOYER"
    r"|EMPLOYEE|BUYER|SELLER|TITLE|NUMBER|PHONE|EMAIL|SIGNATURE|YEAR|MONTH|DAY|TIME|DOSE|DRUG|DIAGNOSIS|HOSPITAL|DOCTOR"
    r"|COURT|CASE|JURISDICTION|INSERT|YOUR|LINK|URL|SOURCE|CITATION|PERSON|ORGANIZATION|ORGANISATION|LOCATION|AGE|ZIP|SSN|IBAN|CARD)"
)
_LOUD = rf"(?<![A-Z]){_SLOT}(?![A-Z])"
_TITLED = _SLOT.title().replace("(?:", "(?:")
_PLACEHOLDER = re.compile(
    rf"\[(?=[^\]a-z]*{_LOUD})[A-Z0-9 _/'’.,&-]{{2,60}}\]|<(?=[^>a-z]*{_LOUD})[A-Z0-9 _/-]{{2,40}}>"
    rf"|\[(?:{_TITLED})(?: [A-Za-z'’]+){{0,4}}\]|\[(?i:insert|enter|add|fill in|your|please)\b[^\]\n]{{0,60}}\]"
    r"|\[\s*(?:X{1,6}|N{2,4}|\.{2,}|…|_+|#+|(?i:tbd|blank|placeholder))\s*\]"
    r"|(?i:\blorem ipsum\b)|\bX{4,}\b|(?<![:_]\s)(?<![:_])_{4,}(?!_)|\{\{\s*\w[\w .-]{0,38}\s*\}\}"
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
PLACEHOLDER = Filter("placeholder", "A blank was left in, such as [AMOUNT]", PlaceholderConfig, _placeholder)
TRUNCATION = Filter("truncation", "The answer stops in the middle of a sentence", TruncationConfig, _truncation)
EXACT_DUPLICATES = Filter(
    "exact_duplicates",
    "Question and answer are those of an earlier sample",
    ExactDuplicatesConfig,
    _exact_duplicates,
    by_row=False,
)
