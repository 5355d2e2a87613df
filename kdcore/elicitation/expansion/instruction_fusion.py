"""Two questions become one that needs both (Instruction Fusion)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import (
    CAREFUL_TUTOR,
    Ask,
    Method,
    Steps,
    Tools,
    joined,
    lost,
    system_of,
    usable,
    user,
    written,
)
from kdcore.elicitation.parse import clean
from kdcore.elicitation.pool import Pool
from kdcore.types import MethodRow, Request


class FusionConfig(Config):
    """What counts as fused."""

    max_similarity: float = Field(default=0.85, gt=0, le=1, description="ROUGE-L to either question, at most")


def _program(request: Request, config: FusionConfig, tools: Tools) -> Steps:
    first = request.variables.get("question", "")
    partners = tools.pool.partners(first)
    if not partners:
        return [MethodRow("unparsed", reason="its group has no second question to fuse with; import more than one")]
    second = tools.chance.choice(partners)
    labels = {"group": joined(request, tools, [second])}
    wanted = (
        "Write one question that can only be answered by someone who can answer both of these. "
        f"Reply with the question only.\n\n1. {first}\n2. {second}"
    )
    [[reply]] = yield [Ask(user(wanted))]
    if not usable(reply):
        return [lost(reply)]
    question = clean(reply.text).strip("\"'“” ")
    alike, nearest = Pool([first, second]).nearest(question)
    extra = {"from": [first, second], "similarity": round(alike, 3)}
    if alike > config.max_similarity or len(question.split()) < 4:
        reason = f'not a fusion: ROUGE-L {alike:.2f} to "{nearest[:80]}"'
        return [MethodRow("unparsed", question=question, reason=reason, labels=labels, extra=extra, reply=reply)]
    system = system_of(request.messages)
    [[answer]] = yield [Ask(user(question, system))]
    return [written(answer, question=question, messages=user(question, system), labels=labels, extra=extra)]


INSTRUCTION_FUSION = Method(
    name="instruction_fusion",
    family="expansion",
    pool="question",
    source="Guo et al. 2023, Instruction Fusion (arXiv 2312.15692); survey §3.1.2 and §4.1",
    summary="Fuse two questions into one that needs both, and answer it",
    warning="Unlike subjects fuse into questions that nobody asks: keep to seeds of one field.",
    config=FusionConfig,
    template=PromptTemplate(
        method="instruction_fusion",
        system=CAREFUL_TUTOR + " Be brief.",
        user="{{question}}",
    ),
    program=_program,
)
