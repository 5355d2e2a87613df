"""Rows of a version in their teacher's token ids, with the top-k that is stored for each."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import IO, Any

from kdcore.errors import ConfigError
from kdcore.records.datasets import ChatRow, TopKRow
from kdcore.services.datasets import topk as stored_topk
from kdcore.services.datasets.tokenizers import same_tokens
from kdcore.services.datasets.topk_spool import TopKSpool
from kdcore.services.models import folder_of
from kdcore.services.workspace import App
from kdcore.store import datasets


class ChatTokens:
    """A child process that holds one model's tokenizer and template."""

    def __init__(self, model: str, child: subprocess.Popen[str], said: IO[bytes]) -> None:
        self._model, self._child, self._said = model, child, said
        self.first = self._read()

    def ids(self, messages: str, answer: str) -> dict[str, Any]:
        """``{prompt_ids, chat_ids}`` of a chat (JSON) and its answer; ``{error}`` where the template refuses it.

        Raises ConfigError where the process has ended.
        """
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):  # what it said last is read, and told, below
            self._child.stdin.write(json.dumps([json.loads(messages), answer]) + "\n")
            self._child.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._child.stdout is not None
        if line := self._child.stdout.readline():
            return json.loads(line)
        self._said.seek(0)
        last = (self._said.read().decode("utf-8", "replace").strip().splitlines() or ["nothing"])[-1]
        raise ConfigError(f'the process that reads the tokens of "{self._model}" ended; it said: {last[:300]}')


@contextmanager
def chat_tokens(model: str, source: str) -> Generator[ChatTokens]:
    """The tokens of a model by its folder, or by a Hub id that was fetched before.

    Raises ConfigError where its tokenizer or its chat template can't be read.
    """
    command = [sys.executable, "-m", "kdcore.workers.chat_tokens", source]
    pipe = subprocess.PIPE
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=said, encoding="utf-8") as child,
    ):
        try:
            talk = ChatTokens(model, child, said)
            if "error" in talk.first:
                raise ConfigError(f'the tokens of "{model}" can\'t be told: {talk.first["error"]}.')
            yield talk
        finally:
            child.kill()
            if child.stdin is not None:
                with suppress(BrokenPipeError):  # what it no longer reads
                    child.stdin.close()


def with_tokens(app: App, dataset_id: str, batches: Iterable[Sequence[ChatRow]]) -> Iterator[list[ChatRow]]:
    """The same batches, each row with its ``tokens`` where its teacher's words are stored for just this answer.

    All are in the tokens of one model: the teacher that wrote most of the version, or else the one that scored it
    last. Raises ConfigError where neither's tokenizer is here: it tells where an answer begins.
    """
    with ExitStack() as stack:
        teacher, talk = _first_here(app, dataset_id, stack)
        known_alike: dict[str, bool] = {}
        app.folders.exports.mkdir(parents=True, exist_ok=True)
        spool = TopKSpool(Path(stack.enter_context(tempfile.TemporaryDirectory(dir=app.folders.exports))))
        for batch in batches:
            asked = {row["teacher"] for row in batch if row["teacher"]} | stored_topk.scorers(app)
            if new := asked - known_alike.keys():
                same = same_tokens(app, teacher, new)
                known_alike |= {name: name in same for name in new}
            alike = {teacher, *(name for name in asked if known_alike[name])}
            known = stored_topk.of_rows(app, batch, alike, read=spool)
            yield [_with_tokens(row, talk, known.get(row["sample_id"])) for row in batch]


def _first_here(app: App, dataset_id: str, stack: ExitStack) -> tuple[str, ChatTokens]:
    """The first model that may tell the tokens of a version, and whose tokenizer is on this machine."""
    named = [datasets.main_teacher(app.store, dataset_id), stored_topk.last_scorer(app, dataset_id)]
    why = ""
    for name in dict.fromkeys(filter(None, named)):
        if source := _source(app, name):
            try:
                return name, stack.enter_context(chat_tokens(name, source))
            except ConfigError as exc:
                why = why or str(exc)
    raise ConfigError(
        f"no tokenizer of this version's teacher ({named[0] or 'unknown'}) is on this machine, so its tokens are not "
        "known; score the version with a model that is here, or choose a format without probabilities."
        + (f" ({why})" if why else "")
    )


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
