"""Text of models and people as HTML: what they wrote is never a tag, a link or an image of ours."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt

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
