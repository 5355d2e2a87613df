"""Reason first, answer last; rationale and answer are kept apart (distilling step by step)."""

from __future__ import annotations

import re

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import CAREFUL_TUTOR, Method, single
from kdcore.elicitation.parse import clean
from kdcore.types import MethodRow

_LABEL = r"(?im)^[\s>*_#-]*(?:final\s+|the\s+)?{word}\b[\s*_]*(?::|is:?|[-–—])[\s*_]*"


class ChainOfThoughtConfig(Config):
    """The words that part the reply."""

    answer_word: str = Field(
        default="answer", min_length=1, max_length=40, description="Word that opens the last part"
    )
    reasoning_word: str = Field(
        default="reasoning", min_length=1, max_length=40, description="Word that opens the first part"
    )


def form(config: ChainOfThoughtConfig) -> str:
    """Reasoning first, then the answer."""
    return forms.reasoned(config.reasoning_word.capitalize(), config.answer_word.capitalize())


def read(text: str, config: ChainOfThoughtConfig) -> MethodRow:
    """Split at the last line that opens with the answer word; no such line is a loss with a reason."""
    body = clean(text)
    marks = list(re.finditer(_LABEL.format(word=re.escape(config.answer_word)), body))
    if not marks:
        return MethodRow("unparsed", rationale=body, reason=f'no line begins with "{config.answer_word.title()}:"')
    last = marks[-1]
    rationale = re.sub(
        _LABEL.format(word=re.escape(config.reasoning_word)), "", body[: last.start()], count=1
    ).strip()
    answer = body[last.end() :].strip()
    if not answer:
        return MethodRow("unparsed", rationale=rationale, reason="the answer after the reasoning is empty")
    if not rationale:
        return MethodRow("unparsed", answer=answer, reason="the reply has an answer but no reasoning before it")
    return MethodRow("parsed", answer, rationale)


CHAIN_OF_THOUGHT = Method(
    name="chain_of_thought",
    family="labeling",
    source="Hsieh et al. 2023, Distilling Step-by-Step (arXiv 2305.02301); survey §3.1.1 and §4.1",
    summary="Reason first, then answer; the two are kept apart",
    warning="A fluent rationale can be wrong, or written after the answer was fixed: review both parts.",
    config=ChainOfThoughtConfig,
    template=PromptTemplate(
        method="chain_of_thought",
        system=CAREFUL_TUTOR + " First reason in a few short steps, then give the answer.\n"
        "Use exactly this form:\nReasoning: <your steps>\nAnswer: <one or two sentences>",
        user="{{question}}",
        # A small teacher keeps to a form that it has seen better than to one that it was told.
        examples=(
            Example(
                user="Why does a wound need to be kept clean?",
                assistant="Reasoning: Dirt carries germs. Germs in a wound can multiply and cause an infection, "
                "which slows healing.\nAnswer: A clean wound has fewer germs in it, so it heals faster.",
            ),
            Example(
                user="Can a contract be made without paper?",
                assistant="Reasoning: A contract needs an offer, an acceptance and the will to be bound. Most kinds "
                "need no paper for that.\nAnswer: Yes, most contracts can be made by spoken words alone.",
            ),
        ),
    ),
    program=single(read, form),
    many=True,
)
