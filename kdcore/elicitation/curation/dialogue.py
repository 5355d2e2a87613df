"""Two roles talk: the teacher plays the person who asks, then the expert, turn by turn (self-chat)."""

from __future__ import annotations

import re

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import Ask, Method, Steps, Tools, lost, system_of, usable
from kdcore.elicitation.curation.article_to_dialogue import row_of
from kdcore.elicitation.parse import clean
from kdcore.types import Message, Request

_ENDS = re.compile(r"\b(goodbye|good bye|thank you,? that is all|no more questions)\b", re.IGNORECASE)


class DialogueConfig(Config):
    """Who talks, and when the talk ends."""

    asker: str = Field(
        default="a patient who has just been told about it and is a little worried", description="Who asks"
    )
    expert: str = Field(default="a calm and careful doctor", description="Who answers")
    turns: int = Field(default=3, ge=1, le=20, description="Questions with an answer, at most")
    min_turns: int = Field(default=2, ge=1, le=20, description="Questions with an answer, at least")
    persona: bool = Field(default=True, description="The student learns with the expert's role as system message")


def _seen_by_asker(turns: list[Message], config: DialogueConfig) -> list[Message]:
    """The same talk with the sides changed: the asker's own words become the model's."""
    swapped: dict[str, str] = {"user": "assistant", "assistant": "user"}
    system = f"You play {config.asker}. Ask one short follow-up question. If you have none, say goodbye."
    flipped: list[Message] = [{"role": swapped[t["role"]], "content": t["content"]} for t in turns]  # pyright: ignore[reportAssignmentType]
    return [{"role": "system", "content": system}, {"role": "user", "content": "Please begin."}, *flipped]


def _program(request: Request, config: DialogueConfig, tools: Tools) -> Steps:
    shared = system_of(request.messages)
    expert: Message = {"role": "system", "content": f"You are {config.expert}. {shared}".strip()}
    turns: list[Message] = [{"role": "user", "content": request.messages[-1]["content"]}]
    ended = "the longest talk"
    for number in range(config.turns):
        [[answer]] = yield [Ask([expert, *turns])]
        if not usable(answer):
            if number < config.min_turns:
                return [lost(answer, extra={"turns": turns})]
            ended = "an answer that can't be used"
            turns.pop()
            break
        turns.append({"role": "assistant", "content": clean(answer.text)})
        if number + 1 == config.turns:
            break
        [[follow]] = yield [Ask(_seen_by_asker(turns, config))]
        question = clean(follow.text)
        if not usable(follow) or _ENDS.search(question):
            ended = "the asker had no more to ask" if usable(follow) else "a question that can't be used"
            break
        if question in [t["content"] for t in turns]:
            ended = "the asker repeated a question"
            break
        turns.append({"role": "user", "content": question})
    row = row_of(turns, config.min_turns, ended=ended)
    if row.messages is not None and config.persona:
        row.messages.insert(0, expert)
    return [row]


DIALOGUE = Method(
    name="dialogue",
    family="curation",
    pool="question",
    source="Baize (arXiv 2304.01196); UltraChat (arXiv 2305.14233); CAMEL (arXiv 2303.17760); survey §4.1",
    summary="Two roles talk about each question, turn by turn",
    warning="A model that plays both sides agrees with itself: real people interrupt, doubt and misunderstand.",
    config=DialogueConfig,
    template=PromptTemplate(method="dialogue", system="Answer in two or three sentences.", user="{{question}}"),
    program=_program,
)
