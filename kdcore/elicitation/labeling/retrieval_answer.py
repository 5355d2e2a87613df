"""Answer from numbered passages of which only one is the right one; the answer names its passage (RAG)."""

from __future__ import annotations

import re

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, joined, keep, lost, usable, with_question
from kdcore.elicitation.parse import clean
from kdcore.types import MethodRow, Request


class RetrievalAnswerConfig(Config):
    """How many passages distract."""

    distractors: int = Field(default=2, ge=0, le=10, description="Other passages shown beside the right one")
    need_citation: bool = Field(default=True, description="An answer without [number] is set aside")


def cited(text: str) -> list[int]:
    """Passage numbers in brackets, in order, without repeats."""
    return list(dict.fromkeys(int(n) for n in re.findall(r"\[(\d{1,2})\]", text)))


def _program(request: Request, config: RetrievalAnswerConfig, tools: Tools) -> Steps:
    own = request.variables.get("source", "")
    partners = tools.pool.partners(own)
    distracting = tools.chance.sample(partners, min(config.distractors, len(partners)))
    labels = {"group": joined(request, tools, distracting)}
    shown = [own, *distracting]
    tools.chance.shuffle(shown)
    right = shown.index(own) + 1
    context = "\n".join(f"[{number}] {text}" for number, text in enumerate(shown, 1))
    chat = with_question(request.messages, f"{context}\n\n{request.messages[-1]['content']}")
    form = forms.cited(len(shown)) if config.need_citation else ""
    [replies] = yield [Ask(chat, n=None, form=form)]
    rows: list[MethodRow] = []
    for reply in replies:
        extra = {"passages": shown, "right": right}
        if not usable(reply):
            rows.append(lost(reply, labels=labels, extra=extra))
            continue
        answer = clean(reply.text)
        numbers = cited(answer)
        extra["cited"] = numbers
        if config.need_citation and not numbers:
            reason = "the answer names no passage"
            rows.append(MethodRow("unparsed", answer, reason=reason, labels=labels, extra=extra, reply=reply))
        elif any(number > len(shown) for number in numbers):
            bad = next(n for n in numbers if n > len(shown))
            reason = f"the answer names passage [{bad}], but {len(shown)} were shown"
            rows.append(MethodRow("unparsed", answer, reason=reason, labels=labels, extra=extra, reply=reply))
        elif numbers and right not in numbers:
            reason = f"the answer leans on {numbers}, the right passage is [{right}]"
            rows.append(MethodRow("unparsed", answer, reason=reason, labels=labels, extra=extra, reply=reply))
        else:
            rows.append(keep(reply, MethodRow("parsed", answer, messages=chat, labels=labels, extra=extra)))
    return rows


RETRIEVAL_ANSWER = Method(
    name="retrieval_answer",
    family="labeling",
    pool="document",
    source="SAIL (arXiv 2305.15225); Self-RAG (arXiv 2310.11511); KARD (arXiv 2305.18395); survey §4.1",
    summary="Answer from several passages and cite the right one",
    warning="A citation shows where the words come from, not that they were understood.",
    config=RetrievalAnswerConfig,
    reply_tokens=256,
    template=PromptTemplate(
        method="retrieval_answer",
        system="Answer the question from the numbered passages only. End each sentence with the number of its "
        "passage, such as [1].",
        examples=(
            Example(
                user="[1] A witness must tell the truth in court.\n[2] Insulin lets sugar enter the cells.\n\n"
                "Summarise what the passages say about: insulin",
                assistant="Insulin lets sugar enter the cells [2].",
            ),
        ),
        user="Summarise what the passages say{{#topic}} about: {{topic}}{{/topic}}",
    ),
    program=_program,
    takes="document",
    many=True,
)
