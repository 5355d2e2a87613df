"""Reading replies: what every method shares. A reply that can't be used gets a status and a reason."""

from __future__ import annotations

import json
import re
from typing import Any

import json_repair

from kdcore.types import MethodRow, Reply
from kdcore.wording import refusal_of


def clean(text: str) -> str:
    """Strip blank edges; replace what no database can store."""
    return text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\u2400").strip()


FILTERED = "filtered by the provider"


def loss_reason(reply: Reply) -> MethodRow | None:
    """The loss that any method sees before it reads the text; None when the reply is usable."""
    if reply.error is not None:
        return MethodRow("failed", reason=reply.error)
    text, thoughts = clean(reply.text), reply.reasoning
    if reply.finish_reason == "filtered":
        return MethodRow("refused", answer=text, rationale=thoughts, reason=FILTERED)
    if reply.finish_reason == "error":
        return MethodRow("failed", answer=text, reason="the provider broke off with an error")
    if reply.finish_reason == "length":
        where = "the model's own thoughts used up" if thoughts and not text else "the reply hit"
        reason = f"{where} the longest answer allowed; raise max_tokens"
        return MethodRow("truncated", answer=text, rationale=thoughts, reason=reason)
    if not text:
        reason = "the reply has thoughts, but no answer after them" if thoughts else "the reply is empty"
        return MethodRow("unparsed", rationale=thoughts, reason=reason)
    if refusal_of(text):
        return MethodRow("refused", answer=text, rationale=thoughts, reason="the teacher declined to answer")
    return None


_ITEM = re.compile(r"^\s*(?:\d{1,3}\s*[.):]|[-*•])\s+(.*\S)\s*$")
_CODE = re.compile(r"```(?:python|py)?[ \t]*\n(.*?)(?:```|\Z)", re.DOTALL | re.IGNORECASE)


def listed(text: str, most: int = 50) -> list[str]:
    """Items of a numbered or bulleted list; without one, the lines that are no heading. Quotes are taken off."""
    lines = clean(text).splitlines()
    items = [match.group(1) for line in lines if (match := _ITEM.match(line))]
    if not items:
        items = [line.strip() for line in lines if line.strip() and not line.strip().endswith(":")]
    plain = [re.sub(r"\*\*|__", "", item).strip(" \"'“”") for item in items]
    return [item for item in plain if item][:most]


def sections(text: str, names: tuple[str, ...]) -> dict[str, str]:
    """Text after each ``Name:`` that opens a line, up to the next of the names; absent names are left out."""
    body = clean(text)
    pattern = r"(?im)^[\s>*_#-]*(" + "|".join(re.escape(name) for name in names) + r")\b[\s*_]*(?::|[-–—])[\s*_]*"
    marks = list(re.finditer(pattern, body))
    ends = [*[mark.start() for mark in marks[1:]], len(body)]
    found: dict[str, str] = {}
    for mark, end in zip(marks, ends, strict=False):
        name = next(n for n in names if n.lower() == mark.group(1).lower())
        found.setdefault(name, body[mark.end() : end].strip())
    return found


def code_of(text: str) -> str:
    """The first fenced code block, else "" ."""
    match = _CODE.search(clean(text))
    return match.group(1).strip() if match else ""


def json_of(text: str) -> Any:
    """The first JSON object or list inside a text, mended where it is nearly right; None where there is none.

    Nearly right is a comma too many, a line break or a quotation mark inside a text, quotes of the wrong kind.
    """
    body = clean(text)
    decoder = json.JSONDecoder(strict=False)  # line breaks inside a text are read as they are
    for match in re.finditer(r"[{\[]", body):
        try:
            found = decoder.raw_decode(body, match.start())[0]
        except (ValueError, RecursionError):
            continue
        if found:
            return found
    first, last = body.find("{"), body.rfind("}")
    if first < 0 or last <= first:
        return None
    try:
        mended = json_repair.loads(body[first : last + 1])
    except (ValueError, RecursionError):
        return None
    return mended if isinstance(mended, dict | list) and mended else None


def number_of(text: str, low: float, high: float) -> float | None:
    """The first number within [low, high]; "4/5" and "4 out of 5" are 4. None where there is none."""
    for match in re.finditer(r"(?<![\w.])-?\d+(?:\.\d+)?", clean(text)):
        value = float(match.group(0))
        if low <= value <= high:
            return value
    return None


def final_of(text: str) -> str:
    """A short answer made comparable: the last number of it, else its words in lower case."""
    numbers = re.findall(r"-?\d+(?:[.,]\d+)*", text)
    if numbers and len(text.split()) <= 12:
        return numbers[-1].replace(",", "").rstrip(".")
    return " ".join(re.findall(r"\w+", text.lower()))
