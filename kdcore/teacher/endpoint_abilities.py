"""What an endpoint bears, learnt from its own words at the first call and kept for the rest of the run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from kdcore.configs.teacher import Call, TeacherConfig
from kdcore.types import Reply


@dataclass(slots=True)
class Abilities:
    """Which fields of a call an endpoint takes. ``said`` are sentences for the run's last word, each once."""

    length_field: str = "max_tokens"
    temperature: bool = True
    top_p: bool = True
    several: bool = True  # more than one answer to a call
    schema: str = "json_schema"  # then json_object, then "" for the words of the prompt alone
    forms: bool | None = None  # None until a reply has told whose server this is
    said: list[str] = field(default_factory=list[str])

    def body(self, call: Call, config: TeacherConfig, count: int) -> dict[str, Any]:
        """The fields of one call for ``count`` answers."""
        body: dict[str, Any] = {"model": config.model, "messages": call.messages}
        if self.length_field:
            body[self.length_field] = call.sampling.max_tokens
        if self.temperature:
            body["temperature"] = call.sampling.temperature
        if self.top_p:
            body["top_p"] = call.sampling.top_p
        if count > 1:
            body["n"] = count
        if call.schema and self.schema == "json_schema":
            schema = {"name": "answer", "schema": call.schema}  # not strict: that refuses schemas with a choice
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif call.schema and self.schema:
            body["response_format"] = {"type": "json_object"}
        elif call.form and self.forms and not _CONSTRAINTS & config.body.keys():
            body["structured_outputs"] = {"regex": call.form}
        return body

    def saw(self, replies: Sequence[Reply], *, vllm: bool) -> None:
        """Learn from whole replies: vLLM's server holds answers to a form, which thoughts would not fit.

        A reply that was cut tells nothing: its thoughts may begin in the prompt, and only their end has a mark.
        """
        if any(reply.reasoning or _THOUGHTS.search(reply.text) for reply in replies) or not vllm:
            self.forms = False
        elif self.forms is None and any(reply.finish_reason == "stop" for reply in replies):
            self.forms = True

    def learn(self, words: str, param: str, body: dict[str, Any]) -> bool:
        """Whether the refusal of a body names a field that can be told otherwise; it is, from now on.

        ``words`` are the endpoint's, ``param`` the field that it names, "" where it names none. ``body`` has only the
        fields that are ours to change.
        """
        for name, pattern, change in _REFUSED:
            if name not in body:
                continue
            if param == name or (re.search(pattern, words, re.IGNORECASE) and param in ("", name)):
                return change(self, body)
        return False

    def say(self, sentence: str) -> None:
        """Keep a sentence for the run's last word."""
        if sentence not in self.said:
            self.said.append(sentence)


_CONSTRAINTS = {"response_format", "structured_outputs", "guided_json", "guided_regex", "guided_choice"}
_CONSTRAINTS |= {"guided_grammar"}  # of a user's own body: a second one beside it is refused
_THOUGHTS = re.compile(r"</?(?:think|thought|reason)|<\|channel\|>", re.IGNORECASE)


def _other_length(known: Abilities, body: dict[str, Any]) -> bool:
    known.length_field = "max_completion_tokens" if "max_tokens" in body else ""
    if not known.length_field:
        known.say("the endpoint takes no limit for the length of an answer")
    return True


def _no_temperature(known: Abilities, body: dict[str, Any]) -> bool:
    known.temperature = False
    known.say("the endpoint takes no temperature: its own was used")
    return True


def _no_top_p(known: Abilities, body: dict[str, Any]) -> bool:
    known.top_p = False
    known.say("the endpoint takes no top_p: its own was used")
    return True


def _one_answer(known: Abilities, body: dict[str, Any]) -> bool:
    known.several = False
    return True


def _plainer_schema(known: Abilities, body: dict[str, Any]) -> bool:
    known.schema = "json_object" if known.schema == "json_schema" else ""
    known.say("the endpoint holds no answer to a JSON schema: the words of the prompt had to do")
    return True


def _no_forms(known: Abilities, body: dict[str, Any]) -> bool:
    known.forms = False
    return True


# field → how its refusal reads → what is told otherwise
_REFUSED = (
    ("structured_outputs", r"structured.?output|regex|grammar|guided", _no_forms),
    ("response_format", r"response_format|json_schema|structured output|guided", _plainer_schema),
    ("max_tokens", r"max_completion_tokens|max_tokens['\"`]? (?:is )?(?:not supported|unsupported)", _other_length),
    ("max_completion_tokens", r"max_completion_tokens", _other_length),
    ("temperature", r"temperature", _no_temperature),
    ("top_p", r"top_p", _no_top_p),
    ("n", r"['\"`]n['\"`]|\bn\b ?[:>=]|\bn must\b|(?:number of|multiple) (?:choices|completions)", _one_answer),
)  # fmt: skip
