"""The chat and the answer that a frozen row teaches: the teacher's, or as people mended them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from kdcore.configs.base import load_config
from kdcore.elicitation import METHODS
from kdcore.elicitation.labeling.chain_of_thought import ChainOfThoughtConfig
from kdcore.errors import ConfigError
from kdcore.records.datasets import ChatRow, VersionRow
from kdcore.services.workspace import App
from kdcore.store import projects


def texts(app: App, rows: Sequence[VersionRow]) -> list[ChatRow]:
    """Rows with the ``messages`` (JSON) and ``completion`` to learn: the teacher's, or as people mended them.

    ``rejected_answers`` are the worse answers that a row carries, best first: those of a feedback method, and what
    the teacher had said before a person mended it.
    """
    words: dict[str, tuple[str, str] | None] = {}
    found: list[ChatRow] = []
    for frozen in rows:
        row: ChatRow = {**frozen, "rejected_answers": rejected_answers(frozen)}
        found.append(row)
        if row["question"] != row["asked"]:
            row["messages"] = json.dumps(with_question(json.loads(row["messages"]), row), ensure_ascii=False)
        if not row["edited"]:
            row["completion"] = row["completion"].strip()
        elif row["rationale"] and (opening := words.setdefault(row["prompt_version_id"], _words(app, row))):
            reasoning, answer = opening
            row["completion"] = f"{reasoning}: {row['rationale']}\n{answer}: {row['answer']}"
        else:
            row["completion"] = row["answer"]
    return found


def rejected_answers(row: VersionRow) -> list[str]:
    """The worse answers of one row, best first, each once."""
    extra: dict[str, Any] = json.loads(row["extra"]) if row["extra"] else {}
    places: list[Any] = extra.get("ranked") or []
    ranked = [str(text) for text in places]
    known = ranked[1:] or ([str(extra["rejected"])] if extra.get("rejected") else [])
    if row["answer"] != row["given"]:
        known = [row["completion"].strip() or row["given"], *known]
    return [text for text in dict.fromkeys(known) if text and text != row["answer"]]


def with_question(messages: list[dict[str, str]], row: VersionRow) -> list[dict[str, str]]:
    """The chat with the edited question in place of the asked one; worked examples stay as they are.

    Raises ConfigError where a talk of several turns has the asked question in none of them.
    """
    changed = [dict(message) for message in messages]
    asked = [m for m in changed if m["role"] == "user" and row["asked"] in m["content"]]
    places = [*asked[-1:], *(m for m in changed if m["role"] == "system")]
    if not any(row["asked"] in m["content"] for m in places):
        if sum(m["role"] == "user" for m in changed) > 1:
            raise ConfigError(
                f"the edited question of sample {row['sample_id']} stands nowhere in its talk; "
                "undo the edit on the Review page, or leave the sample out."
            )
        changed[-1]["content"] = row["question"]
    for message in places:
        message["content"] = message["content"].replace(row["asked"], row["question"])
    return changed


class WithoutPrompt:
    """Chats without what a prompt version put around the question: its system message and its worked examples.

    A student that learns from these answers the question alone: context distillation (Askell et al. 2021, Snell et
    al. 2022).
    """

    def __init__(self, app: App) -> None:
        self._app = app
        self._examples: dict[str, int] = {}

    def of(self, row: VersionRow | ChatRow) -> str:
        """The ``messages`` (JSON) of a row, from the first turn that is the question's own."""
        messages: list[dict[str, str]] = json.loads(row["messages"])
        rest = [message for message in messages if message["role"] != "system"]
        return json.dumps(rest[2 * self._count(row["prompt_version_id"], rest) :], ensure_ascii=False)

    def _count(self, version_id: str, rest: list[dict[str, str]]) -> int:
        """How many worked examples a version's chats begin with."""
        if version_id not in self._examples:
            content = projects.prompt_content(self._app.store, version_id)
            self._examples[version_id] = len(content["examples"]) if content else 0
        return min(self._examples[version_id], (len(rest) - 1) // 2)


def _words(app: App, row: VersionRow) -> tuple[str, str] | None:
    """The words that open reasoning and answer in a row's prompt version; None where its method has none."""
    content = projects.prompt_content(app.store, row["prompt_version_id"])
    method = METHODS.get(content["method"] if content else "chain_of_thought")
    if method is None or not issubclass(method.config, ChainOfThoughtConfig):
        return None
    config = load_config(method.config, content["method_config"] if content else {})
    return config.reasoning_word.title(), config.answer_word.title()
