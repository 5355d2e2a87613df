"""The same question in other words (AugGPT): the given answer stays, or one answer serves all."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import CAREFUL_TUTOR, Ask, Method, Steps, Tools, lost, usable, user
from kdcore.elicitation.parse import clean, listed
from kdcore.elicitation.pool import Pool
from kdcore.types import MethodRow, Request


class ParaphraseConfig(Config):
    """How many and how different."""

    paraphrases: int = Field(default=3, ge=1, le=12, description="Other wordings of each question")
    max_similarity: float = Field(default=0.9, gt=0, le=1, description="ROUGE-L to the given question, at most")


def _program(request: Request, config: ParaphraseConfig, tools: Tools) -> Steps:
    own = request.variables.get("question", "")
    wanted = f"Say the following in {config.paraphrases} other ways, as a numbered list.\n\n{own}"
    [[reply]] = yield [Ask(user(wanted), form=forms.numbered(config.paraphrases))]
    if not usable(reply):
        return [lost(reply)]
    answer = request.variables.get("answer", "")
    if not answer:
        [[said]] = yield [Ask(request.messages)]
        if not usable(said):
            return [lost(said)]
        answer = clean(said.text)
    rows: list[MethodRow] = []
    known = Pool([own])
    for text in listed(reply.text, config.paraphrases):
        alike, _ = known.nearest(text)
        extra = {"of": own, "similarity": round(alike, 3)}
        if alike > config.max_similarity:
            rows.append(
                MethodRow("unparsed", question=text, reason=f"not another wording: ROUGE-L {alike:.2f}", extra=extra)
            )
            continue
        known.add(text)
        rows.append(MethodRow("parsed", answer, question=text, messages=user(text), extra=extra))
    return rows or [MethodRow("unparsed", reason="the reply lists no other wording", reply=reply)]


PARAPHRASE = Method(
    name="paraphrase",
    family="expansion",
    pool="question",
    source="Dai et al. 2023, AugGPT (arXiv 2302.13007); survey §3.1.2 and §4.4.1",
    summary="Several wordings of each question with the same answer",
    warning="A changed word can change the law or the dose: check that each wording still asks the same.",
    config=ParaphraseConfig,
    template=PromptTemplate(
        method="paraphrase",
        system=CAREFUL_TUTOR + " Answer in two sentences.",
        user="{{question}}",
    ),
    program=_program,
)
