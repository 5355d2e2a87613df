import streamlit as st

from kdcore.services.review import decisions as review_decisions
from kdcore.ui import filter_bar, frame, state
from kdcore.ui.review import reviewer as reviewer_panel

with frame.page("Review") as page:
    selection = state.selection()
    progress = review_decisions.progress(page.app, page.project_id, selection)
    if not progress["total"]:
        if state.param("filter"):
            frame.empty("Nothing in this filter can be reviewed.", "Explore", "Choose another filter")
        frame.empty("There is nothing to review yet.", "Generate", "Ask the teacher")
    parts = [part for part in filter_bar.parts(selection) if filter_bar.describe(part) != "everything"]
    if parts:
        st.caption("Only: " + " · ".join(filter_bar.describe(part) for part in parts))
    reviewer_tab, recent_tab, keys_tab = st.tabs(
        [":material/fact_check: Read and judge", ":material/history: Last decisions", ":material/keyboard: Keys"]
    )
    with reviewer_tab:
        reviewer_panel.reviewer(page.app, page.project_id, selection)
    with recent_tab, frame.guard():
        reviewer_panel.recent(page.app, page.project_id)
    with keys_tab:
        reviewer_panel.keys()
