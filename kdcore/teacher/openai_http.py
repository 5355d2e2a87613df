"""Any OpenAI-compatible endpoint: as many calls at once as it bears, waits when told to, keys only by name."""

from __future__ import annotations

import asyncio
import queue
import random
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2 as httpx

from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.errors import TeacherError
from kdcore.teacher.base import StopCheck
from kdcore.teacher.endpoint_abilities import Abilities
from kdcore.teacher.endpoint_answers import Trouble, replies_of, trouble_of, wait_of, without_secret
from kdcore.teacher.endpoint_guard import check_address, client_of, read_key, shown
from kdcore.teacher.permission import permission, refuse_unpermitted
from kdcore.types import Reply

RETRIES = 6  # of a call without a word about how long to wait
PATIENCE_S = 1800.0  # with one: as long as it asks, but not for ever
LONGEST_WAIT_S = 600.0
MOST_BYTES = 32 * 1024 * 1024  # of one answer, unpacked
MAX_LEARNT = 8  # fields that one call may have told otherwise
RETRY_STATUS = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 520, 521, 522, 523, 524, 529})
_END = object()


class Window:
    """How many calls may be open, as TCP does it (RFC 5681): doubled each round until the first trouble.

    Each trouble halves it; from then on a round without trouble adds one.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = float(min(4, most))
        self._careful = False

    @property
    def size(self) -> int:
        """Calls that may be open now, at least 1."""
        return max(1, int(self._size))

    def went_well(self) -> None:
        """Grow: by one for each good answer, after trouble by one for each full window of them."""
        self._size = min(float(self._most), self._size + (1.0 / self._size if self._careful else 1.0))

    def too_much(self) -> None:
        """Halve."""
        self._careful = True
        self._size = max(1.0, self._size / 2)


class OpenAiTeacher:
    """A client of ``/chat/completions``."""

    def __init__(self, config: TeacherConfig, model_path: Path | None, sampling: SamplingConfig) -> None:
        self._config = config
        self._leave = permission.get()
        key = self._key = read_key(config)
        url, address = check_address(config.base_url)
        refuse_unpermitted(config, self._leave)
        self._client = client_of(config, key, address)
        self._url = f"{url}/chat/completions"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()
        self._window = Window(config.max_concurrency)
        self._abilities = Abilities()

    @property
    def notes(self) -> list[str]:
        """What the endpoint does otherwise than asked, in sentences."""
        return self._abilities.said

    def generate(self, calls: Iterator[Call | None], check: StopCheck) -> Iterator[Reply]:
        """See Teacher. An endpoint that is down raises; a single bad call becomes a failed reply."""
        results: queue.Queue[list[Reply] | Exception] = queue.Queue()
        tasks: set[Any] = set()
        waiting = 0
        ended = False
        try:
            while not ended or waiting:
                while not ended and waiting < self._window.size:
                    call = next(calls, _END)
                    ended = call is _END
                    if not isinstance(call, Call):
                        break
                    if call.answer is not None:
                        raise TeacherError("an endpoint can't score given answers; choose a model on this machine.")
                    tasks.add(asyncio.run_coroutine_threadsafe(self._ask(call, results), self._loop))
                    waiting += 1
                check()
                if not waiting:
                    continue
                try:
                    item = results.get(timeout=0.1)
                except queue.Empty:
                    continue
                waiting -= 1
                tasks = {task for task in tasks if not task.done()}
                if isinstance(item, Exception):
                    raise item
                yield from item
        finally:
            for task in tasks:
                task.cancel()

    async def _ask(self, call: Call, results: queue.Queue[list[Reply] | Exception]) -> None:
        try:
            results.put(await self._answer(call))
        except Exception as exc:  # handed to the caller's thread, which raises it
            results.put(exc)

    async def _answer(self, call: Call) -> list[Reply]:
        """Exactly ``n`` replies: in one call where the endpoint bears it, else in one call each."""
        found: list[Reply] = []
        missing = call.sampling.n
        while missing:
            replies = (await self._call(call, missing if self._abilities.several else 1))[:missing]
            if len(replies) < missing and self._abilities.several:
                self._abilities.several = False
            found += [replace(reply, n=len(found) + place) for place, reply in enumerate(replies)]
            missing = call.sampling.n - len(found)
        return found

    async def _call(self, call: Call, count: int) -> list[Reply]:
        """One call, tried again as long as that can help; a call that can't be answered is one failed reply."""
        began, attempt, learnt = time.monotonic(), 0, 0
        while True:
            ours = self._abilities.body(call, self._config, count)
            trouble, wait = await self._post(call, ours | self._config.body)
            if isinstance(trouble, list):
                return trouble
            may_learn = trouble.status in (400, 404, 415, 422) and learnt < MAX_LEARNT
            ours = {name: value for name, value in ours.items() if name not in self._config.body}
            if may_learn and self._abilities.learn(trouble.words, trouble.param, ours):
                learnt += 1
                count = count if self._abilities.several else 1
                continue
            if trouble.filtered:
                return [Reply(call.call_id, 0, "", "content_filter")]
            if trouble.spent:
                raise TeacherError(f"{self._named} has no quota left ({trouble.words}); finished answers are kept.")
            if trouble.status not in RETRY_STATUS:
                return self._refused(call, trouble)
            if trouble.status in (429, 503, 529):
                self._window.too_much()
            attempt += 1
            patient = wait is not None and time.monotonic() - began < PATIENCE_S
            if attempt >= RETRIES and not patient:
                raise TeacherError(
                    f"{self._named} does not answer ({trouble.words}); finished answers are kept, check the address "
                    "and resume."
                )
            told = min(wait if wait is not None else 2.0 ** (attempt - 1), LONGEST_WAIT_S)
            await asyncio.sleep(told * (1 + random.random() / 4))  # never sooner than asked

    async def _post(self, call: Call, body: dict[str, Any]) -> tuple[list[Reply] | Trouble, float | None]:
        """The replies, or what went wrong; and how long the endpoint asks to wait."""
        refuse_unpermitted(self._config, self._leave)
        try:
            async with asyncio.timeout(self._config.timeout_s):  # of the whole answer: a server may send drop by drop
                status, headers, text = await self._read(body)
        except TimeoutError:
            return Trouble(504, f"its answer took longer than {self._config.timeout_s:g} s"), None
        except httpx.HTTPError as exc:
            return Trouble(503, f"{type(exc).__name__}: {exc}"), None
        if text is None:
            return [_failed(call, f"the endpoint's answer is longer than {MOST_BYTES >> 20} MB")], None
        text = without_secret(text, self._key)
        kind = headers.get("content-type", "")
        try:
            if (trouble := trouble_of(status, kind, text)) is not None:
                return trouble, wait_of(headers)
            replies, counted, vllm = replies_of(call, kind, text)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError, RecursionError) as exc:
            return [_failed(call, f"the endpoint's answer is not in the chat format ({exc})")], None
        if not replies:
            return [_failed(call, "the endpoint sent no answer")], None
        if not counted:
            self._abilities.say("the endpoint tells no tokens: they were counted by letters")
        self._abilities.saw(replies, vllm=vllm)
        self._window.went_well()
        return replies, None

    async def _read(self, body: dict[str, Any]) -> tuple[int, httpx.Headers, str | None]:
        """Status, headers and text of an answer; None for one that is too long, however small it came packed."""
        async with self._client.stream("POST", self._url, json=body) as response:
            parts: list[bytes] = []
            size = 0
            async for part in response.aiter_bytes():
                size += len(part)
                if size > MOST_BYTES:
                    return response.status_code, response.headers, None
                parts.append(part)
        encoding = response.charset_encoding or "utf-8"
        try:
            return response.status_code, response.headers, b"".join(parts).decode(encoding, "replace")
        except LookupError:
            return response.status_code, response.headers, b"".join(parts).decode("utf-8", "replace")

    @property
    def _named(self) -> str:
        return f"the endpoint {shown(self._config.base_url)}"

    def _refused(self, call: Call, trouble: Trouble) -> list[Reply]:
        if trouble.status in (401, 403):
            raise TeacherError(f"{self._named} refused (HTTP {trouble.status}: {trouble.words}); check the key.")
        if trouble.status == 404:
            hint = "" if "/v" in self._config.base_url else "; such an address often ends in /v1"
            raise TeacherError(
                f"{self._named} knows no such place or model (HTTP 404: {trouble.words}); check the address and the "
                f"model name{hint}."
            )
        if trouble.status == 200:
            return [_failed(call, f"the endpoint: {trouble.words}")]
        return [_failed(call, f"HTTP {trouble.status}: {trouble.words}")]

    def close(self) -> None:
        """Close the connections."""
        asyncio.run_coroutine_threadsafe(self._client.aclose(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


def _failed(call: Call, error: str) -> Reply:
    return Reply(call.call_id, 0, "", "error", error=error)
