"""A passage retold as a talk of two people (dialogue-based knowledge encoding)."""

from __future__ import annotations

import re

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, lost, usable
from kdcore.elicitation.parse import clean
from kdcore.types import Message, MethodRow, Request


class ArticleToDialogueConfig(Config):
    """Who talks."""

    asker: str = Field(default="Student", min_length=1, max_length=40, description="Who asks")
    expert: str = Field(default="Expert", min_length=1, max_length=40, description="Who answers")
    min_turns: int = Field(default=2, ge=1, le=40, description="Questions with an answer, at least")


def read_turns(text: str, asker: str, expert: str) -> list[Message]:
    """Turns as a chat that begins with the asker and changes sides; lines before the first turn are dropped."""
    pattern = rf"(?im)^[\s>*_#-]*({re.escape(asker)}|{re.escape(expert)})\b[\s*_]*:[\s*_]*"
    body = clean(text)
    marks = list(re.finditer(pattern, body))
    ends = [*[mark.start() for mark in marks[1:]], len(body)]
    turns: list[Message] = []
    for mark, end in zip(marks, ends, strict=False):
        role = "user" if mark.group(1).lower() == asker.lower() else "assistant"
        content = body[mark.end() : end].strip()
        if not content or (not turns and role == "assistant"):
            continue
        if turns and turns[-1]["role"] == role:
            turns[-1]["content"] += "\n" + content
        else:
            turns.append({"role": role, "content": content})
    return turns[: len(turns) - 1] if turns and turns[-1]["role"] == "user" else turns


def row_of(turns: list[Message], min_turns: int, **extra: object) -> MethodRow:
    """A row that teaches the last answer with the talk before it; every turn is kept in ``extra``."""
    answers = sum(turn["role"] == "assistant" for turn in turns)
    kept = {"turns": turns, **extra}
    if answers < min_turns:
        return MethodRow(
            "unparsed", reason=f"the talk has {answers} answers, at least {min_turns} expected", extra=kept
        )
    return MethodRow(
        "parsed", turns[-1]["content"], question=turns[0]["content"], messages=list(turns[:-1]), extra=kept
    )


def _program(request: Request, config: ArticleToDialogueConfig, tools: Tools) -> Steps:
    form = forms.talk(config.asker, config.expert, config.min_turns)
    [replies] = yield [Ask(request.messages, n=None, form=form)]
    rows: list[MethodRow] = []
    for reply in replies:
        if not usable(reply):
            rows.append(lost(reply))
            continue
        row = row_of(read_turns(reply.text, config.asker, config.expert), config.min_turns)
        if row.status != "parsed":
            row = MethodRow(row.status, reason=row.reason, extra=row.extra, reply=reply)
        rows.append(row)
    return rows


ARTICLE_TO_DIALOGUE = Method(
    name="article_to_dialogue",
    family="curation",
    pool="question",
    source="Clinical Camel (arXiv 2305.12031); survey §5.2",
    summary="Retell a passage as questions and answers of two people",
    warning="A retelling adds and leaves out: compare it with its passage.",
    config=ArticleToDialogueConfig,
    template=PromptTemplate(
        method="article_to_dialogue",
        system="Retell the text as a talk between a Student who asks and an Expert who answers. Each line begins "
        'with "Student:" or "Expert:". Write three questions with their answers.',
        user="Text: {{source}}",
    ),
    program=_program,
    takes="document",
    many=True,
)
