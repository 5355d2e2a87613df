"""The reader of passages: each can be left out, joined with the next, or cut, before anything is asked of it."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.services.elicit import imports
from kdcore.services.workspace import App
from kdcore.ui import state
from kdcore.ui.labels import escape
from kdcore.ui.safe_html import safe_html

SHOWN = 8  # passages a page
CUT = "-----"  # what a person types where a passage is to be cut


def reader(app: App, run_id: str, seeds: list[dict[str, Any]]) -> None:
    """The passages of a preview, a page at a time; what is changed is kept at once."""
    edits = imports.edits_of(app, run_id)
    pages = max(1, -(-len(seeds) // SHOWN))
    page = min(state.number("passages"), pages - 1)
    gone = sum(not texts for texts in edits.values())
    st.caption(f"{len(seeds):,} passages · {gone} left out · {len(edits) - gone} changed")
    for number in range(page * SHOWN, min(len(seeds), (page + 1) * SHOWN)):
        _passage(app, run_id, number, seeds, edits)
    if pages > 1:
        with st.container(horizontal=True, vertical_alignment="center"):
            _turn("Previous", ":material/chevron_left:", page - 1, disabled=page == 0)
            st.caption(f"page {page + 1} of {pages}")
            _turn("Next", ":material/chevron_right:", page + 1, disabled=page + 1 == pages)


def _turn(label: str, icon: str, page: int, *, disabled: bool) -> None:
    name = label.lower()
    change = {"passages": page or None}
    st.button(label, icon=icon, disabled=disabled, key=f"passages.{name}", on_click=state.set_params, kwargs=change)


def _passage(
    app: App, run_id: str, number: int, seeds: list[dict[str, Any]], edits: dict[int, tuple[str, ...]]
) -> None:
    seed = seeds[number]
    texts = edits.get(number, (seed["passage"],))
    with st.container(border=True):
        where = [f"{number + 1}", seed.get("heading") or "", f"page {seed['page']}" if seed.get("page") else ""]
        st.caption(escape(" · ".join(part for part in where if part)))
        for text in texts:
            st.html(safe_html(text))
        if not texts:
            st.caption(":material/visibility_off: left out")
        following = edits.get(number + 1, (seeds[number + 1]["passage"],)) if number + 1 < len(seeds) else ()
        joined = {number: ("\n\n".join((*texts, *following)),), number + 1: ()}
        with st.container(horizontal=True):
            if number in edits:
                _change("As it was", ":material/undo:", app, run_id, number, {number: None})
            if texts:
                _change("Leave out", ":material/visibility_off:", app, run_id, number, {number: ()})
            if texts and following:
                _change("Join with the next", ":material/merge:", app, run_id, number, joined)
            if texts:
                with st.popover("Edit or cut", icon=":material/content_cut:"):
                    _editor(app, run_id, number, texts)


def _change(
    label: str, icon: str, app: App, run_id: str, number: int, changes: dict[int, tuple[str, ...] | None]
) -> None:
    key = f"passage-{number}-{label}"
    st.button(label, key=key, icon=icon, on_click=imports.edit, args=(app, run_id, changes))


def _editor(app: App, run_id: str, number: int, texts: tuple[str, ...]) -> None:
    key = f"passage-text-{number}"
    with st.form(f"passage-form-{number}", border=False):
        st.text_area(f"A line of {CUT} cuts the passage", f"\n{CUT}\n".join(texts), height=300, key=key)
        st.form_submit_button("Keep", icon=":material/save:", on_click=_keep, args=(app, run_id, number, key))


def _keep(app: App, run_id: str, number: int, key: str) -> None:
    parts = tuple(part.strip() for part in st.session_state[key].split(CUT) if part.strip())
    imports.edit(app, run_id, {number: parts})
