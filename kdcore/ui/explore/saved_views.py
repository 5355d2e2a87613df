"""Saved views: what the address bar holds, under a name, for everyone in the project."""

from __future__ import annotations

from urllib.parse import parse_qsl, urlencode

import streamlit as st

from kdcore.services.explore import saved_views
from kdcore.services.workspace import App
from kdcore.ui import frame, shell, state
from kdcore.ui.labels import escape

KEPT = ("filter", "sort", "down", "map", "tab")  # of the address bar; a page or an open sample is no view


def views_menu(app: App, project_id: str) -> None:
    """Save this view, open one, forget one."""
    with frame.popover("Views", "views", ":material/bookmark:"), frame.guard():
        name = st.text_input("Save this view as", key="view.name", placeholder="doses to read")
        if st.button("Save", key="view.save", disabled=not name.strip()):
            query = urlencode({key: value for key in KEPT if (value := state.param(key))})
            saved_views.save(app, project_id, name, query, shell.reviewer())
            frame.close_popover("views", "more")
            st.rerun()
        for view in saved_views.of_project(app, project_id):
            with st.container(horizontal=True):
                if st.button(escape(view["name"]), key=f"view-{view['name']}", width="stretch"):
                    state.set_params(**dict.fromkeys((*KEPT, "page", "sample")))
                    state.set_params(**dict(parse_qsl(view["query"])))
                    frame.close_popover("views", "more")
                    st.rerun()
                if st.button("", key=f"forget-{view['name']}", icon=":material/delete:", help="Forget this view"):
                    saved_views.save(app, project_id, view["name"], "", shell.reviewer(), present=False)
                    st.rerun()
