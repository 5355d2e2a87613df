"""Does an answer cite a provision that nothing it stands on has? Names of articles and sections, compared."""

from __future__ import annotations

import re

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.filters.base import Filter, Rows
from kdcore.filters.needs import SOURCE
from kdcore.types import Verdict

_NUMBER = r"\d+(?:\.\d+)*[a-z]?(?![a-z])(?:\(\w{1,4}\))*"
_CITED = re.compile(
    r"(?P<kind>§+|(?<![\w.])(?:articles?|arts?\b\.?|sections?|sect?s?\b\.?|ss?\.|rules?|regulations?|regs?\b\.?|clauses?"
    r"|paragraphs?|paras?\b\.?))"
    rf"\s*(?P<numbers>{_NUMBER}(?:\s*(?:,|;|-|–|to|and|or|&)\s*{_NUMBER})*)",
    re.IGNORECASE,
)
_KINDS = {"§": "section", "art": "article", "sec": "section", "sect": "section", "s": "section", "": "section"}
_KINDS |= {"para": "paragraph", "reg": "regulation"}
MAX_IN_RANGE = 50  # numbers that a range such as "12 to 20" may stand for


def citations(text: str) -> list[str]:
    """Provisions that a text names, such as ``section 12(1)``, each once, in order."""
    found: list[str] = []
    for match in _CITED.finditer(text):
        kind = _kind(match["kind"].lower())
        found += [f"{kind} {number}" for number in _numbers(match["numbers"].lower())]
    return list(dict.fromkeys(found))


def _numbers(listed: str) -> list[str]:
    """Each number of a list, and those that a range stands for."""
    parts = re.split(r"\s*(,|;|-|–|to\b|and\b|or\b|&)\s*", listed)
    numbers = [parts[0]]
    for between, number in zip(parts[1::2], parts[2::2], strict=True):
        first, last = numbers[-1], number
        if between in ("-", "–", "to") and first.isdecimal() and last.isdecimal():
            numbers += [str(n) for n in range(int(first) + 1, min(int(last), int(first) + MAX_IN_RANGE))]
        numbers.append(number)
    return numbers


def _kind(word: str) -> str:
    short = word.rstrip(".").rstrip("s") if word[0] != "§" else "§"
    return _KINDS.get(short, short)


def unsupported(answer: str, *grounds: str) -> list[str]:
    """Provisions that an answer names and none of its grounds does; a part of a named one is supported."""
    there = {name for ground in grounds for name in citations(ground)}
    return [
        name for name in citations(answer) if not any(name.partition("(")[0] == g.partition("(")[0] for g in there)
    ]


class CitationsConfig(Config):
    """Which answers have to show where a provision comes from."""

    without_passage: bool = Field(
        default=False, description="Also rows without a source passage, which have the question alone to stand on"
    )


def _citations(rows: Rows, config: CitationsConfig) -> list[Verdict]:
    def one(question: str, answer: str, passage: str) -> Verdict:
        if not passage and not config.without_passage:
            return Verdict(True)
        found = unsupported(answer, question, passage)
        reason = f"cites {', '.join(found[:3])}, which neither question nor passage names"
        return Verdict(not found, reason if found else "", float(len(found)))

    return [one(row["question"] or "", row["answer"] or "", row.get("source") or "") for row in rows]


CITATIONS = Filter(
    "citations",
    "Cites a provision that neither question nor passage names",
    CitationsConfig,
    _citations,
    needs=(SOURCE,),
)
