"""Reading replies: what every method shares. A reply that can't be used gets a status and a reason."""

from __future__ import annotations

import re

from kdcore.types import Parsed, Reply

_REFUSAL = re.compile(
    r"^\W*(i['’]?m sorry|i am sorry|sorry,|i apologi[sz]e|i can(?:no|['’])t (?:help|assist|provide|answer|give|offer)"
    r"|i['’]?m (?:not able|unable) to|i am (?:not able|unable) to|as an ai\b.{0,60}\b(?:cannot|can['’]t|unable))",
    re.IGNORECASE | re.DOTALL,
)
_SPECIAL = re.compile(r"<\|[a-z_]+\|>")


def is_refusal(text: str) -> bool:
    """Whether an answer opens with an apology or a plain 'I can't'. Reads the first 200 characters."""
    return bool(_REFUSAL.search(text[:200]))


def clean(text: str) -> str:
    """Strip blank edges and stray chat markers; replace what no database can store."""
    text = text.encode("utf-8", "replace").decode("utf-8").replace("\x00", "\u2400")
    return _SPECIAL.sub("", text).strip()


def loss_reason(reply: Reply) -> Parsed | None:
    """The loss that any method sees before it reads the text; None when the reply is usable."""
    if reply.error is not None:
        return Parsed("failed", reason=reply.error)
    text = clean(reply.text)
    if not text:
        return Parsed("unparsed", reason="the reply is empty")
    if is_refusal(text):
        return Parsed("refused", answer=text, reason="the teacher declined to answer")
    if reply.finish_reason == "length":
        return Parsed("truncated", answer=text, reason="the reply hit the longest answer allowed; raise max_tokens")
    return None
