"""Harder and rarer questions from a question, round by round (Evol-Instruct); the tree of growth is kept."""

from __future__ import annotations

import re
from typing import Literal

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import CAREFUL_TUTOR, Ask, Method, Steps, Tools, system_of, user, written
from kdcore.elicitation.parse import clean, loss_reason
from kdcore.elicitation.pool import Pool
from kdcore.types import MethodRow, Reply, Request

# operator → what the teacher is told to do with a question (WizardLM, §3.2; in our own words)
OPERATORS: dict[str, str] = {
    "constrain": "Rewrite the question so that the answer must also respect one more condition.",
    "deepen": "Rewrite the question so that it asks for deeper knowledge of the same subject.",
    "concretise": "Rewrite the question so that it asks about one concrete case instead of the general idea.",
    "reason": "Rewrite the question so that it can only be answered in several steps of reasoning.",
    "broaden": "Write one new question from the same field about a rarer subject, as long as the given one.",
}
Operator = Literal["constrain", "deepen", "concretise", "reason", "broaden"]
_TAIL = "\nReply with the new question only.\n\nGiven question: {question}"
_COPIED = re.compile(r"\b(given question|new question|rewritten question|#\s*prompt)\b", re.IGNORECASE)


class EvolInstructConfig(Config):
    """How far and by which steps."""

    rounds: int = Field(default=2, ge=1, le=6, description="Steps of growth from each question")
    operators: tuple[Operator, ...] = Field(
        default=("constrain", "deepen", "concretise", "reason", "broaden"),
        min_length=1,
        description="Steps to draw from",
    )
    max_similarity: float = Field(default=0.95, gt=0, le=1, description="ROUGE-L to the question before, at most")
    max_words: int = Field(default=120, ge=10, le=2000, description="A longer question is a failed growth")


def failed(question: str, before: str, reply: Reply, config: EvolInstructConfig) -> str:
    """Why a growth failed, "" where it did not (WizardLM, elimination evolving)."""
    if (loss := loss_reason(reply)) is not None:
        return loss.reason
    if _COPIED.search(question):
        return "the growth repeats words of the prompt"
    size = len(question.split())
    if size < 3:
        return "the growth is no question"
    if size > config.max_words:
        return f"the growth has {size} words, at most {config.max_words} expected"
    alike, _ = Pool([before]).nearest(question)
    if alike > config.max_similarity:
        return f"the growth changed nothing: ROUGE-L {alike:.2f} to the question before"
    return ""


def _program(request: Request, config: EvolInstructConfig, tools: Tools) -> Steps:
    system = system_of(request.messages)
    before = request.variables.get("question", "")
    rows: list[MethodRow] = []
    parent: int | None = None
    for number in range(1, config.rounds + 1):
        operator = tools.chance.choice(config.operators)
        [[grown]] = yield [Ask(user(OPERATORS[operator] + _TAIL.format(question=before), system))]
        question = clean(grown.text).strip("\"'“” ")
        extra = {"round": number, "operator": operator, "before": before}
        if reason := failed(question, before, grown, config):
            status = "failed" if grown.error else "unparsed"
            rows.append(MethodRow(status, question=question, reason=reason, parent=parent, extra=extra, reply=grown))
            if grown.error:
                return rows
            continue  # the next round grows from the last question that did
        [[answer]] = yield [Ask(user(question, system))]
        rows.append(written(answer, question=question, messages=user(question, system), extra=extra, parent=parent))
        before, parent = question, len(rows) - 1
    return rows


EVOL_INSTRUCT = Method(
    name="evol_instruct",
    family="expansion",
    pool="question",
    source="Xu et al. 2023, WizardLM (arXiv 2304.12244), §3; survey §3.1.2",
    summary="Grow each question harder or rarer, round by round, and answer every growth",
    warning="Growth drifts from the subject and repeats itself: read the tree, not only its leaves.",
    config=EvolInstructConfig,
    template=PromptTemplate(
        method="evol_instruct",
        system=CAREFUL_TUTOR + " Be brief.",
        user="{{question}}",
    ),
    program=_program,
)
