"""Answer under written principles, learn without them (Self-Align, context distillation)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import TUTOR, Ask, Method, Steps, Tools, answered, keep, lost, system_of, usable, user
from kdcore.elicitation.parse import clean
from kdcore.types import MethodRow, Request

CONSTITUTION = (
    "Say what is known and what is not.",
    "Name a danger before a detail.",
    "Give general information; a person's own case belongs to a professional.",
    "Never invent a source, a dose, a law or a case.",
)


class PrinciplesConfig(Config):
    """The constitution, and whether an answer is revised against it."""

    principles: tuple[str, ...] = Field(default=CONSTITUTION, min_length=1, description="Rules that answers follow")
    revise: bool = Field(default=False, description="Ask for a revision against the rules (Constitutional AI)")
    erase: bool = Field(default=True, description="Train without the rules in the prompt")


def _program(request: Request, config: PrinciplesConfig, tools: Tools) -> Steps:
    rules = "\n".join(f"{i}. {rule}" for i, rule in enumerate(config.principles, 1))
    system = system_of(request.messages)
    question = request.messages[-1]["content"]
    chat = user(question, f"{system}\nFollow these rules:\n{rules}".strip())
    [[reply]] = yield [Ask(chat)]
    if not usable(reply):
        return [lost(reply)]
    extra: dict[str, object] = {"principles": list(config.principles)}
    final = reply
    if config.revise:
        wanted = "Check your answer against each rule, then write the revised answer only."
        [[final]] = yield [Ask(answered(chat, reply.text, wanted))]
        if not usable(final):
            return [lost(final)]
        extra["first"] = clean(reply.text)
    own = request.variables.get("question") or question
    learnt = user(own) if config.erase else chat
    return [keep(final, MethodRow("parsed", clean(final.text), messages=learnt, extra=extra))]


PRINCIPLES = Method(
    name="principles",
    family="self_knowledge",
    usual_loss="sequence_level_kd",
    source="Self-Align (arXiv 2305.03047); Constitutional AI (arXiv 2212.08073); survey §3.1.6 and §4.2",
    summary="Answer under your principles; the student learns the answer without them",
    warning="Cautious rules can make a student refuse too much: watch the refusal rate beside the gain.",
    config=PrinciplesConfig,
    template=PromptTemplate(method="principles", system=TUTOR + " Be brief.", user="{{question}}"),
    program=_program,
)
