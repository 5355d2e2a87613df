"""The given answer is chosen, the model's own is rejected (SPIN)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import Ask, Method, Steps, Tools, lost, usable
from kdcore.elicitation.feedback.pairwise import preference
from kdcore.elicitation.parse import clean
from kdcore.elicitation.pool import Pool
from kdcore.types import MethodRow, Request


class SpinPairsConfig(Config):
    """When the two are too alike to teach."""

    max_similarity: float = Field(default=0.95, gt=0, le=1, description="ROUGE-L between the two, at most")


def _program(request: Request, config: SpinPairsConfig, tools: Tools) -> Steps:
    question, chosen = request.variables.get("question", ""), request.variables.get("answer", "")
    if not chosen:
        return [MethodRow("unparsed", question=question, reason="the seed has no answer to learn from")]
    [[reply]] = yield [Ask(request.messages)]
    if not usable(reply):
        return [lost(reply, question=question)]
    own = clean(reply.text)
    alike, _ = Pool([chosen]).nearest(own)
    if alike > config.max_similarity:
        reason = f"the model says the same already: ROUGE-L {alike:.2f}"
        return [MethodRow("unparsed", own, question=question, reason=reason, reply=reply)]
    about = request.variables.get("sample_id", "")
    return [preference(question, chosen, own, similarity=round(alike, 3), about=about)]


SPIN_PAIRS = Method(
    name="spin_pairs",
    family="self_knowledge",
    accepted_only=True,
    usual_loss="dpo",
    source="Chen et al. 2024, SPIN (arXiv 2401.01335); survey §3.1.6",
    summary="Pairs of the accepted answer and the student's own",
    warning="Choose the student as the teacher of this run: it is the student's own words that are rejected.",
    config=SpinPairsConfig,
    template=PromptTemplate(method="spin_pairs", user="{{question}}"),
    program=_program,
    takes="answers",
)
