"""What stands beside the map: search, filter, actions; below them the open sample, those picked, or figures."""

from __future__ import annotations

import streamlit as st

from kdcore.configs.selection import EVERYTHING, Selection
from kdcore.records.figures import View
from kdcore.records.reviews import VerdictCount
from kdcore.services.explore import samples as explore_samples
from kdcore.services.explore import tags
from kdcore.services.workspace import App
from kdcore.ui import filter_bar, frame, shell, state
from kdcore.ui.explore import actions
from kdcore.ui.explore import saved_views as views_panel
from kdcore.ui.explore import table as table_panel
from kdcore.ui.labels import counted
from kdcore.ui.safe_html import strong_html

HEIGHT = 516  # pixels in a window of 720; the style lets it grow with the window
LISTED = 12


def side(
    app: App, project_id: str, map_run: str | None, selection: Selection, view: View, checks: list[VerdictCount]
) -> None:
    """The whole of it; only the box below the two lines scrolls."""
    actions.search(app, project_id, map_run)
    with st.container(horizontal=True, gap="small"):
        values = explore_samples.values_of(app, project_id)
        filter_bar.menu(values, explore_samples.failing(checks), tags.tags(app, project_id))
        actions.with_these(app, project_id, selection)
        with frame.popover("More", "more", ":material/more_horiz:"):
            actions.maps_checks_and_picks(app, project_id, map_run, selection)
            views_panel.views_menu(app, project_id)
    with st.container(key="side", height=HEIGHT, border=False, gap="small"), frame.guard():
        actions.under_way(app, project_id)
        filter_bar.pills(selection)
        if sample := state.param("sample"):
            table_panel.card(app, sample)
        elif selection != EVERYTHING:
            _picked(view)
        else:
            actions.statistics(app, project_id, selection, checks)


def _picked(view: View) -> None:
    """The first of those that a filter leaves; a click opens one."""
    st.subheader(counted(view["count"], "answer") + " picked", anchor=False)
    with st.container(horizontal=True):
        shell.link("Review", "Read these", filter=state.param("filter"))
        shell.link("Datasets", "Freeze these", filter=state.param("filter"))
    for row in view["rows"][:LISTED]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            with st.container():
                st.html(strong_html(row["question"] or row["answer"] or ""))
            if st.button("", key=f"open-{row['sample_id']}", icon=":material/chevron_right:", help="Open it here"):
                state.set_params(sample=row["sample_id"])
                st.rerun()
    if view["count"] > LISTED:
        st.caption(f"and {view['count'] - LISTED:,} more: in the rows below")
