"""Say what is wrong with an answer, then mend it (SelFee, Reflection-Tuning)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import Ask, Method, Steps, Tools, answered, lost, usable, user
from kdcore.elicitation.parse import clean
from kdcore.elicitation.pool import Pool
from kdcore.types import MethodRow, Request


class CritiqueRepairConfig(Config):
    """How much must change."""

    max_similarity: float = Field(default=0.98, gt=0, le=1, description="ROUGE-L to the first answer, at most")


_MEND = "Now write the mended answer only, with no introduction."


def _program(request: Request, config: CritiqueRepairConfig, tools: Tools) -> Steps:
    question, first = request.variables.get("question", ""), request.variables.get("answer", "")
    [[critique]] = yield [Ask(request.messages)]
    if not usable(critique):
        return [lost(critique, question=question)]
    said = clean(critique.text)
    [[mended]] = yield [Ask(answered(request.messages, said, _MEND))]
    if not usable(mended):
        return [lost(mended, question=question)]
    answer = clean(mended.text)
    alike, _ = Pool([first]).nearest(answer)
    extra = {"first": first, "critique": said, "about": request.variables.get("sample_id", "")}
    if alike > config.max_similarity:
        reason = f"the repair changed nothing: ROUGE-L {alike:.2f} to the first answer"
        return [MethodRow("unparsed", answer, question=question, reason=reason, extra=extra, reply=mended)]
    return [MethodRow("parsed", answer, question=question, messages=user(question), extra=extra)]


CRITIQUE_REPAIR = Method(
    name="critique_repair",
    family="feedback",
    source="SelFee; Reflection-Tuning (arXiv 2310.11716); SciGLM (arXiv 2401.07950); survey §3.1.5 and §4.1",
    summary="Criticise an answer, then mend it; both are kept",
    warning="A repair can break what was right: read the difference, not only the new text.",
    config=CritiqueRepairConfig,
    template=PromptTemplate(
        method="critique_repair",
        system="You are a strict{{#domain}} {{domain}}{{/domain}} reviewer. "
        "Say in one or two sentences what is wrong or missing.",
        user="Question: {{question}}\n\nAnswer:\n<<<\n{{answer}}\n>>>",
    ),
    program=_program,
    takes="answers",
)
