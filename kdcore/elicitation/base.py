"""What a method is: a default template, a config, and a program that asks the teacher until it has its rows.

A program is a generator. It yields the questions that it wants answered now, gets their replies back, and
returns rows. It is total: whatever the replies say, it returns at least one row, a loss with its reason if need
be. It is replayed after a crash from the kept replies, so it draws chance only from ``Tools.chance``.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from kdcore import ids
from kdcore.configs.base import Config, load_config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.parse import clean, loss_reason
from kdcore.elicitation.pool import Pool
from kdcore.elicitation.replies import without_invented_turn, without_signal
from kdcore.elicitation.sandbox import CodeResult, run_code
from kdcore.errors import ConfigError
from kdcore.types import Message, MethodRow, Reply, Request

Family = Literal["labeling", "expansion", "curation", "feedback", "self_knowledge"]
Takes = Literal["question", "document", "answers"]


@dataclass(frozen=True, slots=True)
class Ask:
    """One question of a program. A field that is None takes the value of the run's sampling settings.

    ``form`` is a regular expression (``forms``) that an engine holds the reply to where it can.
    """

    messages: list[Message]
    n: int | None = 1
    temperature: float | None = None
    max_tokens: int | None = None
    schema: dict[str, Any] | None = None
    form: str = ""


Steps = Generator[list[Ask], list[list[Reply]], list[MethodRow]]


@dataclass(slots=True)
class Tools:
    """What a program may use besides the teacher. ``chance`` is the request's own, the same in a replay."""

    chance: random.Random = field(default_factory=lambda: random.Random(0))
    pool: Pool = field(default_factory=Pool)
    run_code: Callable[[str], CodeResult] = run_code


# How default prompts open; a project without a field leaves no hole.
CAREFUL_TUTOR = "You are a careful{{#domain}} {{domain}}{{/domain}} tutor."
TUTOR = "You are a{{#domain}} {{domain}}{{/domain}} tutor."

Program = Callable[[Request, Any, Tools], Steps]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to elicit knowledge. ``takes`` says what its seeds are; ``many`` that one call gives n rows."""

    name: str
    family: Family
    source: str
    summary: str
    warning: str
    config: type[Config]
    template: PromptTemplate
    program: Program
    takes: Takes = "question"
    many: bool = False
    needs_schema: bool = False
    judges: bool = False  # its rows judge other rows: they are no answers to the question
    pool: Literal["", "question", "document"] = ""  # what its pool begins with; "" has none
    together: bool = False  # over answers: all different answers to one question are one seed
    accepted_only: bool = False  # over answers: those that people accepted or edited
    reply_tokens: int = 512  # what its longest reply needs, also of a wordy teacher
    runs_code: bool = False  # that the teacher writes; only where a sandbox can be built
    code_column: str = ""  # a column of people's files whose text it runs as well
    usual_loss: str = ""  # of self-knowledge: the loss that learns from what a student makes; "" asks a teacher

    def start(self, request: Request, method_config: dict[str, Any], tools: Tools) -> Steps:
        """Begin the program for one request. Raises ConfigError for a wrong method_config."""
        return self.program(request, load_config(self.config, method_config), tools)


def single(read: Callable[[str, Any], MethodRow], form: Callable[[Any], str] = lambda config: "") -> Program:
    """The program of a method that asks once and reads each reply for itself; ``form`` is made of its config."""

    def program(request: Request, config: Any, tools: Tools) -> Steps:
        [replies] = yield [Ask(request.messages, n=None, form=form(config))]
        own = [own_turn(reply) for reply in replies]
        return [keep(reply, read(reply.text, config)) if usable(reply) else lost(reply) for reply in own]

    return program


def usable(reply: Reply) -> bool:
    """Whether a reply can be read at all."""
    return loss_reason(reply) is None


def lost(reply: Reply, **more: Any) -> MethodRow:
    """The loss that a reply is; call it only where ``usable`` says no. The raw text is kept."""
    loss = loss_reason(reply) or MethodRow("unparsed", reason="the reply can't be used")
    return replace(loss, reply=reply, **more)


def keep(reply: Reply, parsed: MethodRow) -> MethodRow:
    """Tie a row to the reply whose whole text it is."""
    return replace(parsed, reply=reply, rationale=parsed.rationale or reply.reasoning)


def own_turn(reply: Reply) -> Reply:
    """The reply without a turn of a user that the model went on to make up."""
    text, invented = without_invented_turn(reply.text)
    return without_signal(replace(reply, text=text)) if invented else reply


def written(reply: Reply, **more: Any) -> MethodRow:
    """A row whose answer is the whole reply, or the loss that the reply is; ``more`` are fields of the row."""
    own = own_turn(reply)
    if not usable(own):
        return lost(own, **more)
    return MethodRow("parsed", clean(own.text), rationale=own.reasoning, reply=own, **more)


def system_of(messages: list[Message]) -> str:
    """The system message of a chat, "" without one."""
    return next((m["content"] for m in messages if m["role"] == "system"), "")


def user(text: str, system: str = "") -> list[Message]:
    """A chat of one question."""
    first: list[Message] = [{"role": "system", "content": system}] if system.strip() else []
    return [*first, {"role": "user", "content": text}]


def answered(messages: list[Message], text: str, next_question: str) -> list[Message]:
    """A chat that goes on after a reply."""
    return [*messages, {"role": "assistant", "content": clean(text)}, {"role": "user", "content": next_question}]


def with_question(messages: list[Message], question: str) -> list[Message]:
    """The same chat with another last question."""
    return [*messages[:-1], {"role": "user", "content": question}]


def joined(request: Request, tools: Tools, others: list[str]) -> str:
    """The group of a row that is made of this request's seed and of other texts of the pool."""
    v = request.variables
    groups = {ids.group_key(v.get("group", ""), v.get("source", ""), request.seed_id)}
    groups |= {group for text in others if (group := tools.pool.group(text))}
    return ids.GROUP_JOIN.join(sorted(groups))


def find_method(methods: dict[str, Method], name: str) -> Method:
    """Look a method up; raise ConfigError with the known names."""
    if name not in methods:
        raise ConfigError(f'unknown method "{name}"; known: {", ".join(sorted(methods))}.')
    return methods[name]
