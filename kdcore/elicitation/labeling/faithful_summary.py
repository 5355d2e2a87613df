"""A summary whose numbers and names the text really has (summarisation with a faithfulness check)."""

from __future__ import annotations

import re

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.elicitation.base import Ask, Method, Steps, Tools, keep, lost, usable
from kdcore.elicitation.curation.document_grounded import support
from kdcore.elicitation.parse import clean
from kdcore.types import MethodRow, Request

_FACT = re.compile(r"\d+(?:[.,]\d+)*|(?<![.!?]\s)(?<!^)\b[A-Z][a-z]{2,}\b")


class FaithfulSummaryConfig(Config):
    """What a summary may be."""

    max_share: float = Field(default=0.6, gt=0, le=1, description="Longest summary, as a share of the text's words")
    min_support: float = Field(
        default=0.5, ge=0, le=1, description="Share of its longer words that the text must have"
    )


def invented(summary: str, text: str) -> list[str]:
    """Numbers and capitalised words of the summary that the text does not have."""
    return [fact for fact in dict.fromkeys(_FACT.findall(summary)) if fact.lower() not in text.lower()]


def read(summary: str, text: str, config: FaithfulSummaryConfig) -> MethodRow:
    """Check length, support and invented facts, in this order."""
    size, full = len(summary.split()), max(1, len(text.split()))
    if size > config.max_share * full:
        return MethodRow("unparsed", summary, reason=f"{size} words of {full} is no summary")
    share = support(summary, text)
    extra = {"support": round(share, 3)}
    if share < config.min_support:
        reason = f"the text has {share:.0%} of the summary's words, {config.min_support:.0%} needed"
        return MethodRow("unparsed", summary, reason=reason, extra=extra)
    if new := invented(summary, text):
        return MethodRow("unparsed", summary, reason=f"not in the text: {', '.join(new[:5])}", extra=extra)
    return MethodRow("parsed", summary, extra=extra)


def _program(request: Request, config: FaithfulSummaryConfig, tools: Tools) -> Steps:
    [replies] = yield [Ask(request.messages, n=None)]
    text = request.variables.get("source", "")
    return [keep(r, read(clean(r.text), text, config)) if usable(r) else lost(r) for r in replies]


FAITHFUL_SUMMARY = Method(
    name="faithful_summary",
    family="labeling",
    source="InheritSumm (arXiv 2305.15083); Genie (arXiv 2401.14367); survey §4.4.2",
    summary="Summarise a passage; numbers and names must be the passage's own",
    warning="The check sees invented names and numbers, not a changed meaning.",
    config=FaithfulSummaryConfig,
    reply_tokens=256,
    template=PromptTemplate(
        method="faithful_summary",
        system="Summarise the text in one short sentence, with the text's own words. Add nothing.",
        user="{{source}}",
        examples=(
            Example(
                user="Insulin lets sugar leave the blood and enter the cells. Without it, the sugar stays in the "
                "blood and, over years, harms the vessels of the eyes, the kidneys and the feet.",
                assistant="Without insulin, sugar stays in the blood and harms the vessels.",
            ),
        ),
    ),
    program=_program,
    takes="document",
    many=True,
)
