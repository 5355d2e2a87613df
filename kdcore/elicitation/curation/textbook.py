"""A short lesson on a topic, then exercises with solutions (the textbook style of Phi)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, keep, lost, usable, user
from kdcore.elicitation.parse import clean, listed
from kdcore.types import MethodRow, Request


class TextbookConfig(Config):
    """How many exercises."""

    exercises: int = Field(default=2, ge=0, le=10, description="Exercises after each lesson")


def _program(request: Request, config: TextbookConfig, tools: Tools) -> Steps:
    [[lesson]] = yield [Ask(request.messages)]
    if not usable(lesson):
        return [lost(lesson)]
    text = clean(lesson.text)
    rows = [keep(lesson, MethodRow("parsed", text, extra={"part": "lesson"}))]
    if not config.exercises:
        return rows
    wanted = f"{text}\n\nWrite {config.exercises} exercises about this lesson, as a numbered list, without solutions."
    [[reply]] = yield [Ask(user(wanted), form=forms.numbered(config.exercises))]
    if not usable(reply):
        return [*rows, lost(reply, extra={"part": "exercise"}, parent=0)]
    tasks = listed(reply.text, config.exercises)
    if not tasks:
        return rows
    solutions = yield [Ask(user(f"{text}\n\nExercise: {task}\nSolve it briefly.")) for task in tasks]
    for task, [solution] in zip(tasks, solutions, strict=True):
        extra = {"part": "exercise"}
        if usable(solution):
            rows.append(
                MethodRow("parsed", clean(solution.text), question=task, messages=user(task), extra=extra, parent=0)
            )
        else:
            rows.append(lost(solution, question=task, extra=extra, parent=0))
    return rows


TEXTBOOK = Method(
    name="textbook",
    family="curation",
    pool="question",
    source="Gunasekar et al. 2023, Phi-1 (arXiv 2306.11644); MFTCoder; survey §3.1.3 and §4.1",
    summary="A short lesson on each topic, with exercises and solutions",
    warning="A confident lesson hides a wrong fact well: review lessons before their exercises.",
    config=TextbookConfig,
    template=PromptTemplate(
        method="textbook",
        system="You write clear lessons{{#reader}} for a {{reader}}{{/reader}}.",
        user="Write a lesson of one paragraph that explains: {{question}}",
    ),
    program=_program,
)
