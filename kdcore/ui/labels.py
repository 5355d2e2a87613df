"""Plain words for states, durations and sizes. Pure functions."""

from __future__ import annotations

import html
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt

from kdcore.filters import FILTERS

# state → (icon, word, colour of Streamlit's badges); a word and an icon, never colour alone
STATES: dict[str, tuple[str, str, str]] = {
    "queued": (":material/hourglass_empty:", "waiting", "gray"),
    "running": (":material/play_arrow:", "running", "blue"),
    "paused": (":material/pause:", "paused", "orange"),
    "done": (":material/check:", "done", "green"),
    "failed": (":material/error:", "failed", "red"),
    "cancelled": (":material/stop:", "stopped", "orange"),
}
DECISIONS: dict[str, tuple[str, str]] = {
    "pending": (":material/radio_button_unchecked:", "not read"),
    "accept": (":material/check:", "accepted"),
    "edit": (":material/edit:", "edited"),
    "reject": (":material/close:", "rejected"),
    "skip": (":material/redo:", "skipped"),
}
KINDS = {
    "generate": "Asking the teacher",
    "embed": "Drawing a map",
    "screen": "Checking answers",
    "title": "Titling groups",
    "score": "Scoring answers",
    "concept": "Learning a concept",
    "pick": "Picking a subset",
    "read_upload": "Reading a file",
    "preflight": "Checking a recipe",
    "distill": "Training a student",
    "evaluate": "Comparing models",
    "export": "Copying a student",
    "serve": "Warm helper",
}
PAGE_OF_KIND = {
    "generate": "Generate",
    "embed": "Explore",
    "screen": "Explore",
    "title": "Explore",
    "score": "Datasets",
    "concept": "Explore",
    "pick": "Explore",
    "read_upload": "Elicit",
    "preflight": "Distill",
    "distill": "Distill",
    "export": "Distill",
    "evaluate": "Evaluate",
    "serve": "Elicit",
}


def check_name(name: str) -> str:
    """What a check looks for, in words; a judge's check, a concept or a pick has only its name."""
    return FILTERS[name].summary.lower() if name in FILTERS else name.replace("_", " ")


def duration(seconds: float | None) -> str:
    """``45 s``, ``3 min 20 s``, ``2 h 5 min``; a dash where it can't be known."""
    if seconds is None:
        return "–"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock(seconds_from_now: float) -> str:
    """The time of day after that many seconds, such as ``14:05``."""
    return time.strftime("%H:%M", time.localtime(time.time() + seconds_from_now))


_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False, "linkify": False})
    .enable("table")
    .disable(["image", "link", "autolink", "reference", "html_block", "html_inline"])
)

_CELL = re.compile(r"<(t[hd])\b[^>]*>")


def safe_html(text: str) -> str:
    """Markdown of untrusted text as HTML without links, images or any tag of the text's own."""
    html_text = _MARKDOWN.render(text)
    return _CELL.sub(r'<\1 style="padding: 2px 16px 2px 0; text-align: left">', html_text)


def strong_html(text: str) -> str:
    """``safe_html`` in bold: a question above its answer."""
    return safe_html(text).replace("<p>", "<p><strong>").replace("</p>", "</strong></p>")


def marked(rendered: str, texts: Sequence[str]) -> str:
    """HTML of ours with some texts marked where they stand; tags and entities stay as they are."""
    for text in texts:
        found = re.compile(re.escape(text), re.IGNORECASE)
        parts = re.split(r"(<[^>]*>|&\w+;|&#\w+;)", rendered)  # tags and entities are at the odd places
        rendered = "".join(
            part if place % 2 else found.sub(lambda m: f"<mark>{m[0]}</mark>", part)
            for place, part in enumerate(parts)
        )
    return rendered


def token_html(tokens: Sequence[Mapping[str, Any]]) -> str:
    """Tokens shaded by the teacher's doubt; the doubtful ones are also underlined, and each tells its figures."""
    parts: list[str] = []
    for token in tokens:
        doubt = min(1.0, token["entropy"] / 3.0)
        line = "text-decoration:underline dotted;" if token["entropy"] > 1.0 else ""
        others = ", ".join(f"{word!r} {p:.0%}" for word, p in token["others"])
        rank = token["rank"] or "beyond the kept words"
        tip = f"entropy {token['entropy']:.2f} nats; rank {rank}; likeliest: {others}"
        shown = html.escape(token["text"]).replace("\n", "⏎<br>")
        style = f"background:rgba(208,140,47,{0.75 * doubt:.2f});{line}"
        parts.append(f'<span style="{style}" title="{html.escape(tip, quote=True)}">{shown}</span>')
    return f'<div style="line-height:1.9;white-space:pre-wrap">{"".join(parts)}</div>'


def escape(text: str) -> str:
    """Untrusted text inside a Markdown label: every sign that Streamlit's Markdown would act on is escaped."""
    return re.sub(r"([\\`*_{}\[\]<>()#+\-.!|$:~^&])", r"\\\1", text.replace("\n", " "))


def sentence(text: str) -> str:
    """A message of the program with a capital at its start and its signs escaped, as ``escape`` does."""
    return escape(text[:1].upper() + text[1:])


def short(text: str, length: int = 90) -> str:
    """One line, cut with an ellipsis."""
    flat = " ".join(text.split())
    return flat if len(flat) <= length else flat[: length - 1].rstrip() + "…"
