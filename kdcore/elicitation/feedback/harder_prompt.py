"""A harder question where the student is weak, with an answer (Lion's adversarial step)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import CAREFUL_TUTOR, Ask, Method, Steps, Tools, lost, system_of, usable, user, written
from kdcore.elicitation.parse import clean
from kdcore.elicitation.pool import Pool
from kdcore.types import MethodRow, Request


class HarderPromptConfig(Config):
    """What counts as another question."""

    max_similarity: float = Field(default=0.9, gt=0, le=1, description="ROUGE-L to the given question, at most")


def _program(request: Request, config: HarderPromptConfig, tools: Tools) -> Steps:
    before, said = request.variables.get("question", ""), request.variables.get("answer", "")
    wanted = (
        f"A learner answered this question.\nQuestion: {before}\nAnswer: {said[:800]}\n\nWrite one harder question "
        "of the same field that this learner would probably fail. Reply with the question only."
    )
    [[reply]] = yield [Ask(user(wanted))]
    if not usable(reply):
        return [lost(reply)]
    question = clean(reply.text).strip("\"'“” ")
    alike, _ = Pool([before]).nearest(question)
    extra = {"before": before, "about": request.variables.get("sample_id", ""), "similarity": round(alike, 3)}
    if alike > config.max_similarity or len(question.split()) < 3:
        reason = f"not a new question: ROUGE-L {alike:.2f} to the given one"
        return [MethodRow("unparsed", question=question, reason=reason, extra=extra, reply=reply)]
    system = system_of(request.messages)
    [[answer]] = yield [Ask(user(question, system))]
    return [written(answer, question=question, messages=user(question, system), extra=extra)]


HARDER_PROMPT = Method(
    name="harder_prompt",
    family="feedback",
    source="Jiang et al. 2023, Lion (arXiv 2305.12870); survey §3.1.5",
    summary="From a student's answer, a harder question with an answer",
    warning="Hard is not useful: a question that experts would not ask teaches nothing they need.",
    config=HarderPromptConfig,
    template=PromptTemplate(
        method="harder_prompt",
        system=CAREFUL_TUTOR + " Be brief.",
        user="{{question}}",
    ),
    program=_program,
    takes="answers",
)
