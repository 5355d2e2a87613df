"""Which shape rows have (ShareGPT, messages, Alpaca, pairs, tables), and each row as what a seed is made of."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from kdcore.reading.found import Row, as_text

SPEAKERS = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "chatgpt": "assistant",
    "bot": "assistant",
    "system": "system",
    "tool": "tool",
    "function": "tool",
    "function_call": "assistant",
    "observation": "tool",
}


@dataclass(slots=True)
class Entry:
    """One row as it will be asked: the question (or passage), its answer if it brings one, the chat before it.

    ``fields`` are the row's other columns as texts; ``problem`` says why the row can't be used.
    """

    question: str = ""
    answer: str = ""
    rationale: str = ""
    rejected: str = ""
    system: str = ""
    turns: list[dict[str, str]] = field(default_factory=list[dict[str, str]])  # before the question
    fields: dict[str, str] = field(default_factory=dict[str, str])
    problem: str = ""
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Shape:
    """A known form of rows; ``takes`` are the columns that it uses itself."""

    name: str
    summary: str
    fits: Callable[[Sequence[Row]], bool]
    read: Callable[[Row], Entry]
    takes: tuple[str, ...]


# ---- chats ----------------------------------------------------------------------------------------------------
def content_of(content: Any) -> str:
    """The text of a message: a string, or the text parts of a list of parts."""
    if isinstance(content, list):
        parts = cast("list[Any]", content)
        texts = [part.get("text") if isinstance(part, dict) else part for part in parts]
        return "\n".join(text for text in texts if isinstance(text, str) and text)
    return content if isinstance(content, str) else ""


def _chat(turns: Any, who: str, what: str) -> Entry:
    """The last answer with the question before it; earlier turns stay as the chat that led there."""
    listed = cast("list[Any]", turns) if isinstance(turns, list) else []
    chat: list[dict[str, str]] = []
    for turn in listed:
        if not isinstance(turn, dict):
            return Entry(problem="a turn of the talk is no object")
        said = cast("dict[str, Any]", turn)
        role = SPEAKERS.get(str(said.get(who, said.get("role", ""))).lower())
        if role is None:
            return Entry(problem=f'nobody knows the speaker "{str(said.get(who))[:40]}"')
        if calls := said.get("tool_calls"):
            content = content_of(said.get(what)) or json.dumps(calls, ensure_ascii=False)
        else:
            content = content_of(said.get(what, said.get("content")))
        chat.append({"role": role, "content": content})
    system = "\n\n".join(turn["content"] for turn in chat if turn["role"] == "system")
    chat = [turn for turn in chat if turn["role"] != "system"]
    asked = [place for place, turn in enumerate(chat) if turn["role"] == "user" and turn["content"].strip()]
    if not asked:
        return Entry(problem="nobody asks anything in this talk", system=system)
    last = next(
        (place for place in reversed(asked) if place + 1 < len(chat) and chat[place + 1]["role"] == "assistant"),
        asked[-1],
    )
    answer = chat[last + 1]["content"] if last + 1 < len(chat) and chat[last + 1]["role"] == "assistant" else ""
    return Entry(question=chat[last]["content"], answer=answer, system=system, turns=chat[:last])


def _first_key(rows: Sequence[Row], *names: str) -> str:
    return next((name for name in names if any(isinstance(row.get(name), list) for row in rows)), "")


def _sharegpt(row: Row) -> Entry:
    key = "conversations" if "conversations" in row else "conversation"
    entry = _chat(row.get(key), "from", "value")
    entry.system = entry.system or as_text(row.get("system"))
    return entry


def _messages(row: Row) -> Entry:
    return _chat(row.get("messages"), "role", "content")


# ---- one question and what belongs to it -------------------------------------------------------------------
def _joined(*parts: Any) -> str:
    return "\n\n".join(text for text in (as_text(part) for part in parts) if text.strip())


def _alpaca(row: Row) -> Entry:
    turns = [
        {"role": role, "content": as_text(text)}
        for pair in row.get("history") or []
        for role, text in zip(("user", "assistant"), pair, strict=False)
    ]
    question = _joined(row.get("instruction"), row.get("input"))
    return Entry(question=question, answer=as_text(row.get("output")), system=as_text(row.get("system")), turns=turns)


def _turns_or_text(value: Any) -> tuple[str, str, list[dict[str, str]]]:
    """Question, system message and earlier turns of a prompt that is a text or a chat."""
    if not isinstance(value, list):
        return as_text(value), "", []
    entry = _chat(value, "role", "content")
    return entry.question, entry.system, entry.turns


def _answer_of(value: Any) -> str:
    """An answer that is a text, one message, or a chat that ends in it."""
    if isinstance(value, dict):
        said = cast("dict[str, Any]", value)
        return content_of(said.get("content", said.get("value")))
    if isinstance(value, list) and value:
        return _answer_of(cast("list[Any]", value)[-1])
    return as_text(value)


def _pair(row: Row) -> Entry:
    chosen, rejected = row.get("chosen"), row.get("rejected")
    prompt = next(
        (row[name] for name in ("prompt", "question", "instruction", "conversations") if row.get(name)), None
    )
    if prompt is None and isinstance(chosen, list):  # both sides are whole chats
        prompt = cast("list[Any]", chosen)[:-1]
    if isinstance(prompt, list) and any(
        isinstance(turn, dict) and "from" in turn for turn in cast("list[Any]", prompt)
    ):
        talk = _chat(prompt, "from", "value")
        question, system, turns = talk.question, talk.system, talk.turns
    else:
        question, system, turns = _turns_or_text(prompt)
    if isinstance(prompt, str) and row.get("input"):
        question = _joined(question, row["input"])
    return Entry(
        question=question,
        answer=_answer_of(chosen),
        rejected=_answer_of(rejected),
        system=system or as_text(row.get("system")),
        turns=turns,
    )


def _completion(row: Row) -> Entry:
    question, system, turns = _turns_or_text(row.get("prompt"))
    answer = next((row[name] for name in ("completion", "response") if row.get(name) is not None), "")
    return Entry(question=question, answer=_answer_of(answer), system=system, turns=turns)


def _have(rows: Sequence[Row], *names: str) -> bool:
    return bool(rows) and all(any(name in row for row in rows) for name in names)


SHAPES: dict[str, Shape] = {
    shape.name: shape
    for shape in (
        Shape(
            "preference",
            "pairs of a better and a worse answer",
            lambda rows: _have(rows, "chosen", "rejected"),
            _pair,
            ("prompt", "question", "instruction", "input", "chosen", "rejected", "system", "conversations"),
        ),
        Shape(
            "sharegpt",
            "talks in ShareGPT's form",
            lambda rows: bool(_first_key(rows, "conversations", "conversation")),
            _sharegpt,
            ("conversations", "conversation", "system"),
        ),
        Shape(
            "messages",
            "chats in OpenAI's form",
            lambda rows: bool(_first_key(rows, "messages")),
            _messages,
            ("messages",),
        ),
        Shape(
            "alpaca",
            "instructions with an input, in Alpaca's form",
            lambda rows: _have(rows, "instruction", "output"),
            _alpaca,
            ("instruction", "input", "output", "system", "history"),
        ),
        Shape(
            "prompt_completion",
            "prompts with a completion",
            lambda rows: _have(rows, "prompt") and (_have(rows, "completion") or _have(rows, "response")),
            _completion,
            ("prompt", "completion", "response"),
        ),
    )
}


def shape_of(rows: Sequence[Row]) -> Shape | None:
    """The known shape of some rows; None for a table."""
    return next((shape for shape in SHAPES.values() if shape.fits(rows)), None)


def flat(row: Row) -> Row:
    """A row with the fields of an object in a cell as columns of their own: ``data`` → ``question``, ``answer``."""
    result: Row = {}
    for name, value in row.items():
        if not isinstance(value, dict):
            result[name] = value
            continue
        for inner, each in cast("dict[str, Any]", value).items():
            result[inner if inner not in row and inner not in result else f"{name}.{inner}"] = each
    return result


# ---- tables ---------------------------------------------------------------------------------------------------
def by_mapping(row: Row, mapping: Mapping[str, str]) -> Entry:
    """A row of a table, each role's column as the person or ``columns.guess_roles`` said."""
    question = row.get(mapping.get("text", ""))
    if isinstance(question, list):  # the turns of a person: the first is asked
        question = next(iter(cast("list[Any]", question)), "")
    return Entry(
        question=as_text(question),
        answer=as_text(row.get(mapping.get("answer", ""))),
        rationale=as_text(row.get(mapping.get("rationale", ""))),
    )


def name_of(rows: Sequence[Row], mapping: Mapping[str, str]) -> str:
    """What a table is called: questions with answers, or questions alone."""
    shape = shape_of(rows)
    if shape is not None:
        return shape.name
    return "question_answer" if mapping.get("answer") else "table"


def others(row: Row, used: set[str]) -> dict[str, str]:
    """The columns that no role took, as texts."""
    return {name: as_text(value) for name, value in row.items() if name not in used}
