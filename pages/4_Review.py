import streamlit as st

from kdcore.services.review import decisions as review_decisions
from kdcore.services.review.decisions import QUEUES
from kdcore.ui import filter_bar, frame, state
from kdcore.ui.labels import escape
from kdcore.ui.review import reviewer as reviewer_panel

OTHERS = {"recent": ":material/history: Last decisions", "keys": ":material/keyboard: Keys"}
with frame.page("Review") as page:
    selection = state.selection()
    totals = {w: review_decisions.progress(page.app, page.project_id, selection, w)["total"] for w in QUEUES}
    if not any(totals.values()):
        if state.param("filter"):
            frame.empty("Nothing in this filter can be reviewed.", "Explore", "Choose another filter")
        frame.empty("There is nothing to review yet.", "Generate", "Ask the teacher")
    parts = [part for part in filter_bar.parts(selection) if filter_bar.describe(part) != "everything"]
    if parts:
        st.caption("Only: " + " · ".join(escape(filter_bar.describe(part)) for part in parts))
    queues = {w: f"{title} · {totals[w]:,}" for w, (title, _) in QUEUES.items() if totals[w]}
    match state.tab(queues | OTHERS, "queue"):
        case "recent":
            with frame.guard():
                reviewer_panel.recent(page.app, page.project_id)
        case "keys":
            reviewer_panel.keys()
        case which:
            reviewer_panel.reviewer(page.app, page.project_id, selection, which)
