"""More questions of the kind that fails (targeted data generation, LLM2LLM)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import CAREFUL_TUTOR, Ask, Method, Steps, Tools, lost, system_of, usable, user, written
from kdcore.elicitation.parse import listed
from kdcore.types import MethodRow, Request


class SubgroupConfig(Config):
    """How many more."""

    more: int = Field(default=3, ge=1, le=12, description="New questions of the same kind")
    max_similarity: float = Field(default=0.8, gt=0, le=1, description="ROUGE-L to the nearest question, at most")


def _program(request: Request, config: SubgroupConfig, tools: Tools) -> Steps:
    failing, wrong = request.variables.get("question", ""), request.variables.get("answer", "")
    wanted = (
        f"A learner failed this question.\nQuestion: {failing}\nTheir answer: {wrong[:600]}\n\n"
        f"Write {config.more} other questions that practise the same weakness, as a numbered list."
    )
    [[reply]] = yield [Ask(user(wanted), form=forms.numbered(config.more))]
    if not usable(reply):
        return [lost(reply)]
    rows: list[MethodRow] = []
    fresh: list[str] = []
    for question in listed(reply.text, config.more):
        alike, nearest = tools.pool.nearest(question)
        if alike > config.max_similarity:
            rows.append(
                MethodRow("unparsed", question=question, reason=f'not new: ROUGE-L {alike:.2f} to "{nearest[:80]}"')
            )
        else:
            tools.pool.add(question)
            fresh.append(question)
    if not fresh:
        return rows or [MethodRow("unparsed", reason="the reply lists no question", reply=reply)]
    system = system_of(request.messages)
    answers = yield [Ask(user(question, system)) for question in fresh]
    for question, [answer] in zip(fresh, answers, strict=True):
        extra = {"failing": failing, "failing_sample": request.variables.get("sample_id", "")}
        rows.append(written(answer, question=question, messages=user(question, system), extra=extra))
    return rows


SUBGROUP_EXPANSION = Method(
    name="subgroup_expansion",
    family="expansion",
    pool="question",
    source="He et al. 2023, targeted data generation (arXiv 2305.17804); LLM2LLM (arXiv 2403.15042); survey §3.1.2",
    summary="From questions that fail, more of the same kind with answers",
    warning="More of a failing kind can drown what already works: keep a share of general rows in training.",
    config=SubgroupConfig,
    template=PromptTemplate(
        method="subgroup_expansion",
        system=CAREFUL_TUTOR + " Be brief.",
        user="{{question}}",
    ),
    program=_program,
    takes="answers",
)
