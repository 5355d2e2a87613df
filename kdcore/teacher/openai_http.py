"""Any OpenAI-compatible endpoint: several requests at once, waits when told to, keys only by name."""

from __future__ import annotations

import ipaddress
import os
import queue
import random
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.errors import ConfigError, TeacherError
from kdcore.teacher.base import StopCheck
from kdcore.types import Reply, Request

RETRIES = 6
RETRY_STATUS = {408, 409, 429, 500, 502, 503, 504}


def _refuse_unsafe(scheme: str, host: str) -> None:
    """Keys travel encrypted or not at all, and nothing is asked of link-local addresses (cloud metadata)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is not None and (address.is_link_local or address.is_multicast or address.is_unspecified):
        raise ConfigError(f"the endpoint {host} is a link-local address; give the address of a model server.")
    near = host == "localhost" or (address is not None and (address.is_loopback or address.is_private))
    if scheme != "https" and not near:
        raise ConfigError(f"the endpoint {host} is not on this machine or network; use https:// for it.")


class OpenAiTeacher:
    """A client of ``/chat/completions``."""

    def __init__(self, config: TeacherConfig, model_path: Path | None, sampling: SamplingConfig) -> None:
        parts = urlsplit(config.base_url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                f'the endpoint address "{config.base_url}" is not usable; expected something like '
                "http://localhost:8000/v1."
            )
        _refuse_unsafe(parts.scheme, parts.hostname)
        headers: dict[str, str] = {}
        if config.api_key_env:
            key = os.environ.get(config.api_key_env)
            if not key:
                raise ConfigError(
                    f"the environment variable {config.api_key_env} is not set; set it to the endpoint's key."
                )
            headers["Authorization"] = f"Bearer {key}"
        self._config = config
        self._client = httpx.Client(
            base_url=config.base_url.rstrip("/"),
            headers=headers,
            timeout=httpx.Timeout(config.timeout_s, connect=10.0),
        )

    def generate(self, requests: Iterable[Request], sampling: SamplingConfig, check: StopCheck) -> Iterator[Reply]:
        """See Teacher. An endpoint that is down raises; a single bad request becomes a failed reply."""
        results: queue.Queue[list[Reply] | Exception | None] = queue.Queue()
        waiting, lock, stop = iter(requests), threading.Lock(), threading.Event()

        def work() -> None:
            while not stop.is_set():
                with lock:
                    request = next(waiting, None)
                if request is None:
                    break
                try:
                    results.put(self._ask(request, sampling, stop))
                except Exception as exc:  # handed to the caller's thread, which raises it
                    results.put(exc)
                    break
            results.put(None)

        threads = [threading.Thread(target=work, daemon=True) for _ in range(self._config.max_concurrency)]
        for thread in threads:
            thread.start()
        ended = 0
        try:
            while ended < len(threads):
                check()
                try:
                    item = results.get(timeout=0.2)
                except queue.Empty:
                    continue
                if item is None:
                    ended += 1
                elif isinstance(item, Exception):
                    raise item
                else:
                    yield from item
        finally:
            stop.set()

    def _ask(self, request: Request, sampling: SamplingConfig, stop: threading.Event) -> list[Reply]:
        body: dict[str, Any] = {
            "model": self._config.model,
            "messages": request.messages,
            "temperature": sampling.temperature,
            "top_p": sampling.top_p,
            "max_tokens": sampling.max_tokens,
            "n": sampling.n,
        }
        problem = "no try was made"
        for attempt in range(RETRIES):
            try:
                response = self._client.post("/chat/completions", json=body)
            except httpx.TransportError as exc:
                problem, wait = f"{type(exc).__name__}: {exc}", 2.0**attempt
            else:
                if response.status_code == 200:
                    return _read_replies(request, response, sampling.n)
                problem = f"HTTP {response.status_code}: {_told(response)}"
                if response.status_code not in RETRY_STATUS:
                    return self._refused(request, sampling, response, problem)
                wait = _retry_after(response) or 2.0**attempt
            if attempt + 1 == RETRIES or stop.wait(min(wait, 60.0) * (0.75 + random.random() / 2)):
                break
        raise TeacherError(
            f"the endpoint {self._config.base_url} does not answer ({problem}); finished answers are kept, "
            "check the address and resume."
        )

    def _refused(self, request: Request, sampling: SamplingConfig, response: Any, problem: str) -> list[Reply]:
        if response.status_code in {401, 403, 404}:
            raise TeacherError(
                f"the endpoint {self._config.base_url} refused ({problem}); check the key and the model name."
            )
        return [Reply(request.request_id, n, "", "error", error=problem) for n in range(sampling.n)]

    def close(self) -> None:
        """Close the connections."""
        self._client.close()


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


def _read_replies(request: Request, response: httpx.Response, wanted: int) -> list[Reply]:
    """Exactly ``wanted`` replies: what is missing or unreadable is failed, with its reason."""
    found = {reply.n: reply for reply in _choices(request, response) if reply.n < wanted}
    error = next((r.error for r in found.values() if r.error), "the endpoint sent fewer answers than were asked for")
    return [found.get(n) or Reply(request.request_id, n, "", "error", error=error) for n in range(wanted)]


def _choices(request: Request, response: httpx.Response) -> list[Reply]:
    try:
        data = response.json()
        usage = data.get("usage") or {}
        choices = data["choices"]
        share = int(usage.get("completion_tokens") or 0) // max(1, len(choices))
        return [
            Reply(
                request.request_id,
                int(choice.get("index", n)),
                str(choice["message"].get("content") or ""),
                str(choice.get("finish_reason") or "stop"),
                int(usage.get("prompt_tokens") or 0),
                share,
            )
            for n, choice in enumerate(choices)
        ]
    except (ValueError, KeyError, TypeError) as exc:
        error = f"the endpoint's answer is not in the chat format ({type(exc).__name__}: {exc})"
        return [Reply(request.request_id, 0, "", "error", error=error)]
