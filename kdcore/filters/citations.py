"""Does an answer cite a provision that nothing it stands on has? Names of articles and sections, compared."""

from __future__ import annotations

import re

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.filters.base import Filter, Rows
from kdcore.types import Verdict

_CITED = re.compile(
    r"(?P<kind>§+|\b(?:articles?|arts?\.|sections?|sect?s?\.|rules?|regulations?|clauses?|paragraphs?|paras?\.))"
    r"\s*(?P<number>\d+[a-z]?(?:\(\w{1,4}\))*)",
    re.IGNORECASE,
)
_KINDS = {"§": "section", "art": "article", "sec": "section", "sect": "section", "para": "paragraph"}


def citations(text: str) -> list[str]:
    """Provisions that a text names, such as ``section 12(1)``, each once, in order."""
    found = [(match["kind"].lower(), match["number"].lower()) for match in _CITED.finditer(text)]
    return list(dict.fromkeys(f"{_kind(kind)} {number}" for kind, number in found))


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
    "citations", "Cites a provision that neither question nor passage names", CitationsConfig, _citations
)
