"""The same question under several system messages (Orca): one row for each voice."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import CAREFUL_TUTOR, Ask, Method, Steps, Tools, keep, lost, system_of, usable
from kdcore.elicitation.parse import clean
from kdcore.types import Message, MethodRow, Request

VOICES = (
    "Explain so that a child of ten years understands.",
    "Explain step by step and give the reason for each step.",
    "Answer as an experienced professional would, in three sentences.",
    "Answer briefly, then name one common mistake people make about it.",
)


class SystemSweepConfig(Config):
    """The bank of system messages."""

    systems: tuple[str, ...] = Field(default=VOICES, min_length=1, description="One answer is asked under each")
    erase: bool = Field(default=False, description="Train without the system message (Orca 2's prompt erasure)")


def _program(request: Request, config: SystemSweepConfig, tools: Tools) -> Steps:
    rest = [m for m in request.messages if m["role"] != "system"]
    shared = system_of(request.messages)
    chats: list[list[Message]] = [
        [{"role": "system", "content": f"{shared}\n{voice}".strip()}, *rest] for voice in config.systems
    ]
    answers = yield [Ask(chat) for chat in chats]
    rows: list[MethodRow] = []
    for voice, chat, [reply] in zip(config.systems, chats, answers, strict=True):
        extra = {"system": voice}
        if not usable(reply):
            rows.append(lost(reply, extra=extra))
            continue
        learnt = rest if config.erase else chat
        rows.append(keep(reply, MethodRow("parsed", clean(reply.text), messages=learnt, extra=extra)))
    return rows


SYSTEM_SWEEP = Method(
    name="system_sweep",
    family="labeling",
    source="Orca (arXiv 2306.02707), Orca 2 (arXiv 2311.11045); survey §3.1.1 and §4.1",
    summary="Ask each question under several system messages",
    warning="Style is copied more easily than knowledge: check facts, not tone.",
    config=SystemSweepConfig,
    template=PromptTemplate(method="system_sweep", system=CAREFUL_TUTOR, user="{{question}}"),
    program=_program,
)
