"""Question and answer from a passage; the passage stays with the row, and the answer must lean on it."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, lost, usable, user
from kdcore.elicitation.parse import sections
from kdcore.elicitation.pool import words
from kdcore.types import MethodRow, Request

_SMALL = 4  # shorter words carry little of a fact


class DocumentGroundedConfig(Config):
    """How strictly an answer must lean on its passage."""

    min_support: float = Field(
        default=0.4, ge=0, le=1, description="Share of the answer's longer words that the passage must have"
    )
    show_passage: bool = Field(default=True, description="The student learns with the passage in the question")


def support(answer: str, passage: str) -> float:
    """Share of the answer's words of four letters or more that the passage has, 0 to 1."""
    said = [word for word in words(answer) if len(word) >= _SMALL]
    known = set(words(passage))
    return sum(word in known for word in said) / len(said) if said else 0.0


def read(text: str, passage: str, config: DocumentGroundedConfig) -> MethodRow:
    """``Question:`` and ``Answer:``, the answer supported by the passage."""
    found = sections(text, ("Question", "Answer"))
    question, answer = found.get("Question", ""), found.get("Answer", "")
    if not question or not answer:
        missing = "Question" if not question else "Answer"
        return MethodRow("unparsed", answer, question=question, reason=f'no line begins with "{missing}:"')
    share = support(answer, passage)
    extra = {"support": round(share, 3)}
    if share < config.min_support:
        reason = f"the passage has {share:.0%} of the answer's words, {config.min_support:.0%} needed"
        return MethodRow("unparsed", answer, question=question, reason=reason, extra=extra)
    return MethodRow("parsed", answer, question=question, extra=extra)


def _program(request: Request, config: DocumentGroundedConfig, tools: Tools) -> Steps:
    passage = request.variables.get("source", "")
    [replies] = yield [Ask(request.messages, n=None, form=forms.named("Question", "Answer"))]
    rows: list[MethodRow] = []
    for reply in replies:
        if not usable(reply):
            rows.append(lost(reply))
            continue
        row = read(reply.text, passage, config)
        asked = f"{passage}\n\n{row.question}" if config.show_passage else row.question
        rows.append(
            MethodRow(
                row.status,
                row.answer,
                reason=row.reason,
                question=row.question,
                messages=user(asked),
                extra=row.extra,
                reply=None if row.status == "parsed" else reply,
            )
        )
    return rows


DOCUMENT_GROUNDED = Method(
    name="document_grounded",
    family="curation",
    pool="question",
    source="WikiDoc pairs of MedAlpaca (arXiv 2304.08247); HuatuoGPT-II (arXiv 2311.09774); survey §3.1.3 and §5",
    summary="From a passage, a question and an answer that the passage supports",
    warning="Words of the passage in an answer do not make it right: have experts measure how often it is.",
    config=DocumentGroundedConfig,
    reply_tokens=256,
    template=PromptTemplate(
        method="document_grounded",
        system="You write exam questions from a text. Use exactly this form:\nQuestion: <one question that the text "
        "answers>\nAnswer: <the answer, in the text's own words>",
        user="Text: {{source}}",
        examples=(
            Example(
                user="Text: Insulin lets sugar leave the blood and enter the cells. Without it, the sugar stays in "
                "the blood and harms the vessels.",
                assistant="Question: What does insulin let sugar do?\nAnswer: Insulin lets sugar leave the blood and "
                "enter the cells.",
            ),
            Example(
                user="Text: A witness must tell the truth in court. Who lies under oath can be punished.",
                assistant="Question: What can happen to a witness who lies under oath?\nAnswer: Who lies under oath "
                "can be punished.",
            ),
        ),
    ),
    program=_program,
    takes="document",
    many=True,
)
