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


def _words(app: App, row: VersionRow) -> tuple[str, str] | None:
    """The words that open reasoning and answer in a row's prompt version; None where its method has none."""
    content = projects.prompt_content(app.store, row["prompt_version_id"])
    method = METHODS.get(content["method"] if content else "chain_of_thought")
    if method is None or not issubclass(method.config, ChainOfThoughtConfig):
        return None
    config = load_config(method.config, content["method_config"] if content else {})
    return config.reasoning_word.title(), config.answer_word.title()
