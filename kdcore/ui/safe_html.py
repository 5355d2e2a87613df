"""Text of models and people as HTML: never a tag, a link or an image of its own, and all of it is seen.

A reviewer judges what is stored. So the marks of emphasis stay visible, backslashes and entities stand as they are,
signs that can't be seen are written out, and where Markdown would swallow a letter the text is shown as it is.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token

_MARKDOWN = (
    MarkdownIt("commonmark", {"html": False, "linkify": False, "maxNesting": 100})
    .enable("table")
    .disable(
        ["image", "link", "autolink", "reference", "html_block", "html_inline", "escape", "entity"],
    )
)
DEEPEST = 5  # of quotes and lists; beyond it the text would leave the screen
_FAINT = '<span style="opacity:.45">{}</span>'
# What people and models wrote is set in a type of its own, in lines of about 75 letters.
_TYPE = 'font-family:"Source Serif",Georgia,serif;font-size:1.0625rem;line-height:1.6;max-width:36em'
_WHOLE = f"<div dir='auto' style='overflow-wrap:anywhere;unicode-bidi:plaintext;{_TYPE}'>{{}}</div>"
_CELL = re.compile(r"<(t[hd])\b[^>]*>")
_JOINERS = "\u200c\u200d"  # parts of words in many scripts and of emoji; beside plain letters they only hide


def _opened(self: RendererHTML, tokens: Sequence[Token], place: int, *_: Any) -> str:
    return f"<{tokens[place].tag}>{_FAINT.format(tokens[place].markup)}"


def _closed(self: RendererHTML, tokens: Sequence[Token], place: int, *_: Any) -> str:
    return f"{_FAINT.format(tokens[place].markup)}</{tokens[place].tag}>"


def _code(self: RendererHTML, tokens: Sequence[Token], place: int, *_: Any) -> str:
    mark = _FAINT.format(tokens[place].markup)
    return f"{mark}<code>{html.escape(tokens[place].content)}</code>{mark}"


def _fence(self: RendererHTML, tokens: Sequence[Token], place: int, *_: Any) -> str:
    named = _FAINT.format(html.escape(tokens[place].info)) if tokens[place].info.strip() else ""
    return f"{named}<pre><code>{html.escape(tokens[place].content)}</code></pre>"


def _item(self: RendererHTML, tokens: Sequence[Token], place: int, *_: Any) -> str:
    return f'<li value="{html.escape(tokens[place].info)}">' if tokens[place].info else "<li>"


for _kind in ("em", "strong"):
    _MARKDOWN.add_render_rule(f"{_kind}_open", _opened)
    _MARKDOWN.add_render_rule(f"{_kind}_close", _closed)
for _kind, _rule in (("code_inline", _code), ("fence", _fence), ("list_item_open", _item)):
    _MARKDOWN.add_render_rule(_kind, _rule)


def visible(text: str) -> str:
    """The text with every sign that can't be seen written out, as ``⟨U+202E⟩``: control, direction, joiners."""
    return "".join(_seen(text, place, sign) for place, sign in enumerate(text))


def _seen(text: str, place: int, sign: str) -> str:
    if sign in "\n\t" or unicodedata.category(sign) not in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp"):
        return sign
    if sign == "\r" and text[place + 1 : place + 2] == "\n":
        return ""
    if sign in _JOINERS and not any(
        each.isascii() for each in text[max(0, place - 1) : place] + text[place + 1 :][:1]
    ):
        return sign
    return f"⟨U+{ord(sign):04X}⟩"


def safe_html(text: str) -> str:
    """Markdown of untrusted text as HTML without links, images or any tag of the text's own; "" for none."""
    shown = visible(text)
    if not shown.strip():
        return ""
    rendered = _MARKDOWN.render(shown)
    if _letters(shown) != _letters(_as_text(rendered)) or _depth(rendered) > DEEPEST:
        rendered = f'<pre style="white-space:pre-wrap">{html.escape(shown)}</pre>'
    return _WHOLE.format(_CELL.sub(r'<\1 style="padding: 2px 16px 2px 0; text-align: left">', rendered))


def _depth(rendered: str) -> int:
    """How deep quotes and lists lie in each other: each pushes its text to the right."""
    deepest = now = 0
    for closing in re.findall(r"<(/?)(?:blockquote|ul|ol)>", rendered):
        now += -1 if closing else 1
        deepest = max(deepest, now)
    return deepest


def _letters(text: str) -> list[str]:
    return re.findall(r"\w", text)


def _as_text(rendered: str) -> str:
    """What a reader sees of HTML of ours, the numbers of lists included."""
    return html.unescape(re.sub(r"<[^>]*>", "", re.sub(r'<li value="(\w+)">', r"\1", rendered)))


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
