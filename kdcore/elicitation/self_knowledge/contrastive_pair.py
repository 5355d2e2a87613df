"""A good and a bad answer from two opposite instructions (RLCD): a pair without a judge."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import TUTOR, Ask, Method, Steps, Tools, lost, system_of, usable, user
from kdcore.elicitation.feedback.pairwise import preference
from kdcore.elicitation.parse import clean
from kdcore.elicitation.pool import Pool
from kdcore.types import MethodRow, Request


class ContrastivePairConfig(Config):
    """The two instructions."""

    positive: str = Field(
        default="Give an accurate, careful and helpful answer.", description="For the chosen answer"
    )
    negative: str = Field(
        default="Give a vague, careless and unhelpful answer.", description="For the rejected answer"
    )
    max_similarity: float = Field(default=0.9, gt=0, le=1, description="ROUGE-L between the two, at most")


def _program(request: Request, config: ContrastivePairConfig, tools: Tools) -> Steps:
    question = request.messages[-1]["content"]
    system = system_of(request.messages)
    chats = [user(question, f"{system}\n{word}".strip()) for word in (config.positive, config.negative)]
    [[good], [bad]] = yield [Ask(chat) for chat in chats]
    if not usable(good):
        return [lost(good)]
    chosen = clean(good.text)
    if bad.error or not clean(bad.text):
        return [
            MethodRow("failed" if bad.error else "unparsed", chosen, reason=bad.error or "the bad answer is empty")
        ]
    rejected = clean(bad.text)
    alike, _ = Pool([chosen]).nearest(rejected)
    if alike > config.max_similarity:
        reason = f"the two answers are the same: ROUGE-L {alike:.2f}"
        return [MethodRow("unparsed", chosen, reason=reason, reply=good)]
    own = request.variables.get("question") or question
    return [preference(own, chosen, rejected, similarity=round(alike, 3))]


CONTRASTIVE_PAIR = Method(
    name="contrastive_pair",
    family="self_knowledge",
    usual_loss="dpo",
    source="Yang et al. 2023, RLCD (arXiv 2307.12950); survey §3.1.6 and §4.2",
    summary="A chosen and a rejected answer from two opposite instructions",
    warning="The pair teaches how the two instructions sound; make sure that is what you mean by good.",
    config=ContrastivePairConfig,
    template=PromptTemplate(method="contrastive_pair", system=TUTOR, user="{{question}}"),
    program=_program,
)
