"""New tasks from shown ones, into a growing pool (Self-Instruct): only what is new against the whole pool stays."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, lost, system_of, usable, user, written
from kdcore.elicitation.parse import clean, listed
from kdcore.types import MethodRow, Request

_CLASSIFY = "Can the following task be answered with one of a few fixed labels? Answer yes or no.\n\nTask: {task}"
_LABEL_FIRST = "{task}\n\nFirst name the possible labels, then give one example input with its label."


class SelfInstructConfig(Config):
    """How many, from how many, and how new."""

    per_request: int = Field(default=3, ge=1, le=20, description="New questions asked for in one go")
    demonstrations: int = Field(default=3, ge=1, le=20, description="Questions of the pool shown as examples")
    max_similarity: float = Field(default=0.7, gt=0, le=1, description="ROUGE-L to the nearest in the pool, at most")
    min_words: int = Field(default=4, ge=1, le=100, description="Shorter questions are set aside")
    max_words: int = Field(default=80, ge=1, le=1000, description="Longer questions are set aside")
    classification: bool = Field(default=False, description="Ask whether a task is a choice of labels, labels first")


def refuse(question: str, config: SelfInstructConfig, tools: Tools) -> tuple[str, float]:
    """``(why a question is set aside or "", its similarity to the nearest)``."""
    size = len(question.split())
    if not config.min_words <= size <= config.max_words:
        return f"the question has {size} words, {config.min_words} to {config.max_words} expected", 0.0
    alike, nearest = tools.pool.nearest(question)
    if alike > config.max_similarity:
        return f'not new: ROUGE-L {alike:.2f} to "{nearest[:80]}"', alike
    return "", alike


def _program(request: Request, config: SelfInstructConfig, tools: Tools) -> Steps:
    own = request.variables.get("question", "")
    others = [text for text in tools.pool.texts if text != own]
    shown = [own, *tools.chance.sample(others, min(config.demonstrations - 1, len(others)))]
    examples = "\n".join(f"{i}. {text}" for i, text in enumerate(shown, 1))
    wanted = f"{examples}\n\nWrite {config.per_request} new questions, as a numbered list."
    system = system_of(request.messages)
    [[reply]] = yield [Ask(user(wanted, system), form=forms.numbered(config.per_request))]
    if not usable(reply):
        return [lost(reply)]
    rows: list[MethodRow] = []
    fresh: list[tuple[str, float]] = []
    for question in listed(reply.text, config.per_request):
        reason, alike = refuse(question, config, tools)
        if reason:
            rows.append(
                MethodRow("unparsed", question=question, reason=reason, extra={"similarity": round(alike, 3)})
            )
        else:
            tools.pool.add(question)
            fresh.append((question, alike))
    if not fresh:
        return rows or [MethodRow("unparsed", reason="the reply lists no question", reply=reply)]
    labelled = [False] * len(fresh)
    if config.classification:
        said = yield [
            Ask(user(_CLASSIFY.format(task=q)), temperature=0.0, max_tokens=8, form=forms.YES_NO) for q, _ in fresh
        ]
        labelled = [clean(r.text).lower().startswith("yes") for [r] in said]
    asked = [_LABEL_FIRST.format(task=q) if by_label else q for (q, _), by_label in zip(fresh, labelled, strict=True)]
    answers = yield [Ask(user(text)) for text in asked]
    for (question, alike), by_label, text, [answer] in zip(fresh, labelled, asked, answers, strict=True):
        extra = {"similarity": round(alike, 3), "shown": shown, "classification": by_label}
        rows.append(written(answer, question=question, messages=user(text), extra=extra))
    return rows


SELF_INSTRUCT = Method(
    name="self_instruct",
    family="expansion",
    pool="question",
    source="Wang et al. 2022, Self-Instruct (arXiv 2212.10560), §2.2; survey §3.1.2",
    summary="Write new questions like the shown ones, keep the new, answer them",
    warning="The pool inherits the bias of its seeds and grows alike: watch the similarity of what is added.",
    config=SelfInstructConfig,
    template=PromptTemplate(
        method="self_instruct",
        system="You write questions for{{#domain}} {{domain}}{{/domain}} learners. "
        "Each new question is about something that the shown "
        "ones do not ask.",
        user="{{question}}",
    ),
    program=_program,
)
