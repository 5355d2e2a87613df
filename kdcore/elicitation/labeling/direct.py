"""Ask and keep the whole reply as the answer: zero-shot, or few-shot with worked examples."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import CAREFUL_TUTOR, Method, single
from kdcore.elicitation.parse import clean
from kdcore.types import MethodRow
from kdcore.wording import count_words


class DirectConfig(Config):
    """Limits on an answer."""

    min_words: int = Field(default=3, ge=0, le=1000, description="Shorter answers are set aside")


def read(text: str, config: DirectConfig) -> MethodRow:
    """The reply is the answer."""
    answer = clean(text)
    words = count_words(answer)
    if words < config.min_words:
        return MethodRow("unparsed", answer, reason=f"{words} words, at least {config.min_words} expected")
    return MethodRow("parsed", answer)


DIRECT = Method(
    name="direct",
    family="labeling",
    source="Knowledge Distillation of LLMs (arXiv 2402.13116), §3.1.1; Alpaca, Vicuna",
    summary="Ask the question, keep the answer",
    warning="Labels are only as broad as the questions, and private text goes to the teacher as it is.",
    config=DirectConfig,
    reply_tokens=256,
    template=PromptTemplate(
        method="direct",
        system=CAREFUL_TUTOR + " Answer in two or three short sentences{{#reader}} for a {{reader}}{{/reader}}.",
        user="{{question}}",
    ),
    program=single(read),
    many=True,
)
