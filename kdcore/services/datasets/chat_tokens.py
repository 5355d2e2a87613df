"""Rows of a version in their teacher's token ids, with the top-k that is stored for each."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from kdcore.errors import ConfigError
from kdcore.records.datasets import ChatRow, TopKRow
from kdcore.services.datasets import topk as stored_topk
from kdcore.services.datasets.tokenizers import same_tokens
from kdcore.services.models import folder_of
from kdcore.services.workspace import App
from kdcore.store import datasets


class ChatTokens:
    """A child process that holds one model's tokenizer and template."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child
        self.first = self._read()

    def ids(self, messages: str, answer: str) -> dict[str, Any]:
        """``{prompt_ids, chat_ids}`` of a chat (JSON) and its answer; ``{error}`` where the template refuses it."""
        assert self._child.stdin is not None
        self._child.stdin.write(json.dumps([json.loads(messages), answer]) + "\n")
        self._child.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        line = self._child.stdout.readline()
        return json.loads(line) if line else {"error": "its process ended"}


@contextmanager
def chat_tokens(model: str, source: str) -> Generator[ChatTokens]:
    """The tokens of a model by its folder, or by a Hub id that was fetched before.

    Raises ConfigError where its tokenizer or its chat template can't be read.
    """
    command = [sys.executable, "-m", "kdcore.workers.chat_tokens", source]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, encoding="utf-8") as child:
        try:
            talk = ChatTokens(child)
            if "error" in talk.first:
                raise ConfigError(f'the tokens of "{model}" can\'t be told: {talk.first["error"]}.')
            yield talk
        finally:
            child.kill()


def with_tokens(app: App, dataset_id: str, batches: Iterable[Sequence[ChatRow]]) -> Iterator[list[ChatRow]]:
    """The same batches, each row with its ``tokens`` where its teacher's words are stored for just this answer.

    All are in the tokens of one model: the teacher that wrote most of the version, or else the one that scored it
    last. Raises ConfigError where neither is on this machine: a tokenizer tells where an answer begins.
    """
    named = (datasets.main_teacher(app.store, dataset_id), stored_topk.last_scorer(app, dataset_id))
    here = {name: source for name in named if name and (source := _source(app, name))}
    if not here:
        raise ConfigError(
            f'the teacher "{named[0]}" is no model on this machine, so its tokens are not known; '
            "score the version with a model that is here, or choose a format without probabilities."
        )
    teacher, source = next(iter(here.items()))
    with chat_tokens(teacher, source) as talk:
        for batch in batches:
            alike = same_tokens(app, teacher, {row["teacher"] for row in batch} | stored_topk.scorers(app))
            known = stored_topk.of_rows(app, batch, alike)
            yield [_with_tokens(row, talk, known.get(row["sample_id"])) for row in batch]


def _source(app: App, model: str) -> str | None:
    """The folder of a model, a Hub id as it stands, and None for what an endpoint calls its model."""
    try:
        return str(folder_of(app, model) or model)
    except ConfigError:
        return None


def _with_tokens(row: ChatRow, talk: ChatTokens, topk: TopKRow | None) -> ChatRow:
    told = talk.ids(row["messages"], row["completion"]) if topk else {}
    if topk is None or "prompt_ids" not in told:
        return {**row, "tokens": None}
    ids: list[int] = told["prompt_ids"]
    whole: list[int] = told["chat_ids"]
    vocabulary: int = talk.first["vocabulary"]
    return {**row, "tokens": {"vocabulary": vocabulary, "prompt_ids": ids, "chat_ids": whole, "topk": topk}}
