"""Seeds and a template become requests: survey §3.1, ``I ⊕ c ⊕ x``. What would be asked badly is said before."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kdcore import ids
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.template import refuse_braces, render_messages, required, variables
from kdcore.errors import ConfigError
from kdcore.types import Request

SEED_FIELDS = ("question", "source", "topic", "difficulty", "reader", "group")
SHOWN = 3  # rows that a warning names
LETTERS_PER_TOKEN = 3.5


@dataclass(frozen=True, slots=True)
class Aside:
    """A seed that can't be asked, and why."""

    seed_id: str
    reason: str


@dataclass(slots=True)
class Prepared:
    """Requests, the seeds that were set aside, and what a person should know before a call is paid."""

    requests: list[Request] = field(default_factory=list[Request])
    aside: list[Aside] = field(default_factory=list[Aside])
    warnings: list[str] = field(default_factory=list[str])


def build_requests(
    template: PromptTemplate, prompt_version_id: str, seeds: Iterable[Mapping[str, Any]], index: int = 0
) -> list[Request]:
    """One request a seed; see ``prepare``. Raises ConfigError where no seed can be asked."""
    prepared = prepare(template, prompt_version_id, seeds, index)
    if not prepared.requests and prepared.aside:
        raise ConfigError(f"no row can be asked: {prepared.aside[0].reason}.")
    return prepared.requests


def prepare(
    template: PromptTemplate,
    prompt_version_id: str,
    seeds: Iterable[Mapping[str, Any]],
    index: int = 0,
    room: int = 0,
) -> Prepared:
    """One request a seed; one that lacks a variable is set aside, the others go on.

    ``seeds`` have ``seed_id`` and text fields; ``index`` makes a repeat distinct; ``room`` is what a prompt may
    have in tokens, 0 where nobody knows. Raises ConfigError for braces that are no variable.
    """
    refuse_braces(template)
    made = Prepared()
    used = variables(template)
    for seed in seeds:
        values = {key.strip(): str(value) for key, value in seed.items() if key != "seed_id" and value is not None}
        for name in SEED_FIELDS:
            values.setdefault(name, "")
        if lacking := [name for name in used if name not in values]:
            there = ", ".join(sorted(name for name in values if values[name])) or "nothing"
            made.aside.append(Aside(seed["seed_id"], f'the row has no "{lacking[0]}"; it has {there}'))
            continue
        made.requests.append(
            Request(
                request_id=ids.request_id(prompt_version_id, seed["seed_id"], {}, index),
                seed_id=seed["seed_id"],
                prompt_version_id=prompt_version_id,
                messages=render_messages(template, values),
                variables=values,
                repeat=index,
            )
        )
    made.warnings = _warnings(template, made, room)
    return made


# ---- what is said before a call is paid -------------------------------------------------------------------
def _warnings(template: PromptTemplate, made: Prepared, room: int) -> list[str]:
    found: list[str] = []
    if made.aside:
        found.append(_of(len(made.aside), "left out, for they can't be asked", made.aside[0].reason))
    for name in required(template):
        empty = [r for r in made.requests if not r.variables[name].strip()]
        if empty:
            found.append(_of(len(empty), f"without {name}: the prompt has a hole there", _named(empty)))
    chats = Counter(str(request.messages) for request in made.requests)
    same = [r for r in made.requests if chats[str(r.messages)] > 1]
    if same:
        found.append(_of(len(same), "asked in the very same words as another row", _named(same)))
    codes = [r for r in made.requests if _is_code(r.variables["question"])]
    if codes:
        found.append(_of(len(codes), "with a question that looks like a number or an id", _named(codes)))
    if room:
        long = [r for r in made.requests if sum(len(m["content"]) for m in r.messages) / LETTERS_PER_TOKEN > room]
        if long:
            found.append(_of(len(long), f"perhaps longer than the {room} tokens that the model leaves", _named(long)))
    return found


def _of(count: int, what: str, such: str) -> str:
    return f"{count} {'row' if count == 1 else 'rows'} {what} (such as {such})"


def _named(requests: Sequence[Request]) -> str:
    return ", ".join(f'"{r.variables["question"][:60] or r.messages[-1]["content"][:60]}"' for r in requests[:SHOWN])


def _is_code(question: str) -> bool:
    """A number, or one word with a digit in it."""
    text = question.strip()
    return bool(text) and bool(re.fullmatch(r"[\W\d_]+|\S*\d\S*", text))
