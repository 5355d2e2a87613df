"""What runs in the browser beside Streamlit's own: an editor that keeps drafts, and the guard of the keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from streamlit.components.v2 import component

_HERE = Path(__file__).parent
_EDITOR_HTML = """
<div class="editor">
  <label>Question<textarea class="question" rows="3" dir="auto"></textarea></label>
  <label>Answer<textarea class="answer" rows="10" dir="auto"></textarea></label>
  <label>Note<input class="note" placeholder="What was wrong (optional)" dir="auto"></label>
  <div class="row">
    <button class="main" data-does="save">Save<kbd>Ctrl Enter</kbd></button>
    <button data-does="discard">Throw the draft away</button>
    <span class="told" role="status"></span>
  </div>
</div>
"""
_editor = component(
    "kd_editor",
    html=_EDITOR_HTML,
    css=(_HERE / "editor.css").read_text(encoding="utf-8"),
    js=(_HERE / "editor.js").read_text(encoding="utf-8"),
)
_hands = component("kd_hands", js=(_HERE / "hands.js").read_text(encoding="utf-8"))


def editor(key: str, data: dict[str, Any], **on: Any) -> Any:
    """Question, answer and note in place; ``on_<draft, save, close, discard>_change`` hear what is typed and done.

    ``data``: ``key`` names the draft in the browser, ``text`` and ``draft`` (None without one) hold the three fields.
    """
    return _editor(key=key, data=data, **on)


def hands(key: str, data: dict[str, Any], **on: Any) -> Any:
    """Remembers a name and keeps held or unseen keys from deciding; ``on_remembered_change`` hears the name."""
    return _hands(key=key, data=data, height=1, **on)
