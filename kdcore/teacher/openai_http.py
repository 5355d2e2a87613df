"""Any OpenAI-compatible endpoint: as many calls at once as it bears, waits when told to, keys only by name."""

from __future__ import annotations

import asyncio
import queue
import random
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx

from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.errors import MissingDependency, TeacherError
from kdcore.resources import SETUP
from kdcore.teacher.base import StopCheck
from kdcore.teacher.endpoint_guard import PinnedTransport, check_address, read_key
from kdcore.types import Reply

RETRIES = 6
LONGEST_WAIT_S = 60.0
RETRY_STATUS = {408, 409, 429, 500, 502, 503, 504}
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
        try:
            import openai
        except ImportError as exc:
            raise MissingDependency(f"the openai client is missing ({exc}); run {SETUP}.") from exc
        self._openai: Any = openai
        self._config = config
        # Never None: the client would look for a key of its own and send it to this address.
        key = read_key(config) or "none"
        url, address = check_address(config.base_url)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="endpoint", daemon=True)
        self._thread.start()
        # trust_env off: a proxy from the environment would be asked to connect in our place.
        http = httpx.AsyncClient(transport=PinnedTransport(address), follow_redirects=False, trust_env=False)
        self._client: Any = openai.AsyncOpenAI(
            api_key=key,
            base_url=str(url),
            organization="",
            project="",
            timeout=httpx.Timeout(config.timeout_s, connect=10.0),
            max_retries=0,
            http_client=http,
        )
        self._window = Window(config.max_concurrency)

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
        problem = "no try was made"
        for attempt in range(RETRIES):
            try:
                answer = await self._client.chat.completions.create(**self._body(call))
            except self._openai.APIStatusError as exc:
                problem = f"HTTP {exc.status_code}: {_told(exc.response)}"
                if exc.status_code not in RETRY_STATUS:
                    return self._refused(call, exc.status_code, problem)
                if exc.status_code in (429, 503):
                    self._window.too_much()
                wait = _retry_after(exc.response) or 2.0**attempt
            except (self._openai.APIConnectionError, self._openai.APIResponseValidationError) as exc:
                cause = exc.__cause__ or exc
                problem, wait = f"{type(cause).__name__}: {cause}", 2.0**attempt
            except ValueError as exc:  # a body that is no JSON
                return _all_failed(call, f"the endpoint's answer is not in the chat format ({exc})")
            else:
                self._window.went_well()
                return _read_replies(call, answer)
            if attempt + 1 < RETRIES:
                await asyncio.sleep(min(wait, LONGEST_WAIT_S) * (0.75 + random.random() / 2))
        raise TeacherError(
            f"the endpoint {self._config.base_url} does not answer ({problem}); finished answers are kept, "
            "check the address and resume."
        )

    def _body(self, call: Call) -> dict[str, Any]:
        body: dict[str, Any] = {
            "model": self._config.model,
            "messages": call.messages,
            "temperature": call.sampling.temperature,
            "top_p": call.sampling.top_p,
            "max_tokens": call.sampling.max_tokens,
            "n": call.sampling.n,
        }
        if call.schema:
            schema = {"name": "answer", "schema": call.schema}  # not strict: that refuses schemas with a choice
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def _refused(self, call: Call, status: int, problem: str) -> list[Reply]:
        if status in {401, 403, 404}:
            raise TeacherError(
                f"the endpoint {self._config.base_url} refused ({problem}); check the key and the model name."
            )
        return _all_failed(call, problem)

    def close(self) -> None:
        """Close the connections."""
        asyncio.run_coroutine_threadsafe(self._client.close(), self._loop).result(timeout=10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout=10)
        self._loop.close()


def _told(response: httpx.Response) -> str:
    """What an API says of an error; other pages of other servers are not repeated."""
    is_json = "json" in response.headers.get("content-type", "")
    return response.text[:200] if is_json else "no further word in JSON"


def _retry_after(response: httpx.Response) -> float | None:
    """Seconds that the endpoint asks us to wait."""
    try:
        return max(0.0, float(response.headers.get("retry-after", "")))
    except ValueError:
        return None


def _all_failed(call: Call, error: str) -> list[Reply]:
    return [Reply(call.call_id, n, "", "error", error=error) for n in range(call.sampling.n)]


def _read_replies(call: Call, answer: Any) -> list[Reply]:
    """Exactly ``n`` replies: what is missing or unreadable is failed, with its reason."""
    try:
        usage = answer.usage
        share = int(usage.completion_tokens or 0) // max(1, len(answer.choices)) if usage else 0
        found = {
            choice.index: Reply(
                call.call_id,
                choice.index,
                str(choice.message.content or ""),
                str(choice.finish_reason or "stop"),
                int(usage.prompt_tokens or 0) if usage else 0,
                share,
            )
            for choice in answer.choices
        }
    except (AttributeError, TypeError, ValueError) as exc:
        return _all_failed(call, f"the endpoint's answer is not in the chat format ({type(exc).__name__}: {exc})")
    missing = "the endpoint sent fewer answers than were asked for"
    return [found.get(n) or Reply(call.call_id, n, "", "error", error=missing) for n in range(call.sampling.n)]
