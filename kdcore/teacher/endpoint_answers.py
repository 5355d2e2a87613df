"""What an endpoint sent back: replies, or the trouble in its own words, whatever form a provider gives them."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime
from typing import Any, cast
from urllib.parse import quote

from kdcore.configs.teacher import Call
from kdcore.types import Reply

SHOWN = 300  # characters of a provider's words
SHORTEST_KEY = 6  # anything shorter is no key, and may stand in any text
LETTERS_PER_TOKEN = 4
MOST_TOKENS = 10_000_000  # of one call; no model reads or writes more


@dataclass(frozen=True, slots=True)
class Trouble:
    """An error as the endpoint tells it; ``status`` is HTTP's, or the one that it put into a body of status 200."""

    status: int
    words: str
    code: str = ""
    param: str = ""

    @property
    def filtered(self) -> bool:
        """Whether a filter of the provider took offence at the prompt."""
        return "content_filter" in self.code or "content management policy" in self.words

    @property
    def spent(self) -> bool:
        """Whether there is no money left: no waiting mends that."""
        return bool(
            re.search(
                r"insufficient_quota|billing|payment|credit balance|quota.{0,20}exceeded", f"{self.code} {self.words}"
            )
        )


def without_secret(text: str, key: str) -> str:
    """A body without the key that was sent, in each form in which an endpoint may repeat it."""
    if len(key) < SHORTEST_KEY:
        return text
    forms = {
        key,
        quote(key, safe=""),
        json.dumps(key)[1:-1],
        key.replace("/", "\\/"),
        base64.b64encode(key.encode()).decode(),
    }
    for form in sorted(forms, key=len, reverse=True):
        text = text.replace(form, "[the key]")
    return text


def printable(words: str) -> str:
    """A provider's words for logs and pages: control signs, which could steer a terminal, as what they are."""
    return "".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in words)


def trouble_of(status: int, content_type: str, text: str) -> Trouble | None:
    """The error in a response; None where it carries an answer. Other servers' pages are not repeated."""
    try:
        body: Any = json.loads(text)
    except ValueError:
        if status == 200 and _is_stream(content_type, text):
            return None
        what = "a web page" if "html" in content_type or text.lstrip()[:1] == "<" else "something that is no JSON"
        return Trouble(status, f"it answers with {what}, not in the chat format")
    found = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
    error: Any = found.get("error")
    if error is None and status == 200:
        return (
            None if isinstance(found.get("choices"), list) else Trouble(200, "its answer is not in the chat format")
        )
    told = cast("dict[str, Any]", error) if isinstance(error, dict) else {}
    words = str(told.get("message") or error or found.get("detail") or found.get("message") or text)
    words = printable(" ".join(words[: 2 * SHOWN].split()))[:SHOWN]
    code = str(told.get("code") or told.get("type") or "")
    if status == 200 and code.isdigit():
        status = int(code)
    return Trouble(500 if status == 200 else status, words, code, str(told.get("param") or ""))


def wait_of(headers: Mapping[str, str]) -> float | None:
    """Seconds that an endpoint asks to wait: as a number, a date, milliseconds, or when its limits begin anew."""
    if milliseconds := headers.get("retry-after-ms"):
        return _number(milliseconds, 0.001)
    if told := headers.get("retry-after"):
        if (seconds := _number(told)) is not None:
            return seconds
        try:
            return max(0.0, parsedate_to_datetime(told).timestamp() - time.time())
        except ValueError:
            return None
    resets = [_duration(headers[name]) for name in headers if name.lower().startswith("x-ratelimit-reset")]
    known = [seconds for seconds in resets if seconds is not None]
    return max(known, default=None)


def _number(text: str, unit: float = 1.0) -> float | None:
    try:
        return max(0.0, float(text) * unit)
    except ValueError:
        return None


def _duration(text: str) -> float | None:
    """``6m0s``, ``250ms``, seconds, or a time of the clock."""
    if (number := _number(text)) is not None:
        return max(0.0, number - time.time()) if number > 1e9 else number
    units = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
    parts = re.findall(r"(\d+(?:\.\d+)?)(ms|h|m|s)", text)
    return sum(float(value) * units[unit] for value, unit in parts) if parts else None


# ---- answers --------------------------------------------------------------------------------------------------
def replies_of(call: Call, content_type: str, text: str) -> tuple[list[Reply], bool, bool]:
    """The replies of a response in the order that it gives them, whether it told its tokens, whether vLLM wrote it.

    Raises ValueError for a body that is no chat completion.
    """
    body = _joined_stream(text) if _is_stream(content_type, text) else json.loads(text)
    usage: Any = body.get("usage")
    choices = cast("list[Any]", body["choices"])
    spent, asked = (_count(usage, name) for name in ("completion_tokens", "prompt_tokens"))
    counted = spent is not None and asked is not None
    spent, prompt = spent or 0, asked or 0
    if not counted:
        prompt = sum(len(message["content"]) for message in call.messages) // LETTERS_PER_TOKEN
    replies = [_reply(call, place, choice, prompt) for place, choice in enumerate(choices)]
    shares = [spent // max(1, len(replies)) if counted else _letters(reply) // LETTERS_PER_TOKEN for reply in replies]
    told = [replace(reply, completion_tokens=share) for reply, share in zip(replies, shares, strict=True)]
    return told, counted, "prompt_logprobs" in body  # a field that vLLM's server alone has


def _count(usage: Any, name: str) -> int | None:
    """Tokens that an endpoint says it used; None where it tells none, or what can't be so."""
    told: Any = cast("dict[str, Any]", usage).get(name) if isinstance(usage, dict) else None
    if isinstance(told, bool) or not isinstance(told, int | float):
        return None
    return int(told) if 0 <= told <= MOST_TOKENS else None


def _letters(reply: Reply) -> int:
    return len(reply.text) + len(reply.reasoning) + LETTERS_PER_TOKEN - 1


def _reply(call: Call, place: int, choice: Any, prompt: int) -> Reply:
    try:
        message = choice["message"]
        text, thoughts = _parts(message.get("content"))
        for name in ("reasoning_content", "reasoning", "thinking"):
            thoughts += _parts(message[name])[0] if message.get(name) else ""
        finish = str(choice.get("finish_reason") or "stop")
        if message.get("refusal") and not text:
            text, finish = str(message["refusal"]), "refusal"
    except (KeyError, TypeError, AttributeError) as exc:
        raise ValueError(f"an answer in it has no message ({type(exc).__name__})") from exc
    return Reply(call.call_id, place, text, finish, prompt, reasoning=thoughts)


def _parts(content: Any) -> tuple[str, str]:
    """(text, thoughts) of a message's content: a string, nothing, or a list of parts."""
    if not isinstance(content, list):
        return ("" if content is None else str(content)), ""
    texts: list[str] = []
    thoughts: list[str] = []
    for part in cast("list[Any]", content):
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            each = cast("dict[str, Any]", part)
            thinks = "think" in str(each.get("type")) or "reason" in str(each.get("type"))
            said = each.get("thinking") or each.get("reasoning") or each.get("text") or ""
            (thoughts if thinks else texts).append(_parts(said)[0])
    return "".join(texts), "\n".join(thoughts)


def _is_stream(content_type: str, text: str) -> bool:
    return "event-stream" in content_type or text.startswith("data: ")


def _joined_stream(text: str) -> dict[str, Any]:
    """A stream that came though none was asked for, as the whole answer."""
    said: dict[int, dict[str, Any]] = {}
    usage: Any = None
    for line in text.splitlines():
        data = line.removeprefix("data:").strip() if line.startswith("data:") else ""
        if not data or data == "[DONE]":
            continue
        event = json.loads(data)
        usage = event.get("usage") or usage
        for choice in event.get("choices") or []:
            whole = said.setdefault(choice.get("index", 0), {"message": {"content": "", "reasoning": ""}})
            delta = choice.get("delta") or choice.get("message") or {}
            whole["message"]["content"] += _parts(delta.get("content"))[0]
            whole["message"]["reasoning"] += delta.get("reasoning_content") or delta.get("reasoning") or ""
            whole["finish_reason"] = choice.get("finish_reason") or whole.get("finish_reason")
    if not said:
        raise ValueError("a stream without an answer")
    return {"choices": [said[place] for place in sorted(said)], "usage": usage}
