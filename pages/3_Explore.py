import streamlit as st

from kdcore.services import exploration
from kdcore.ui import explore_panels, filter_bar, frame, state

PAGE_SIZE = 50

with frame.page("Explore") as page:
    sort, page_number = state.param("sort", "created"), state.number("page")
    selection = state.selection()
    view = exploration.view(page.app, page.project_id, selection, page_number, PAGE_SIZE, sort, False)
    if not view["total"]:
        frame.empty("There are no answers yet.", "Generate", "Ask the teacher")
    checks = exploration.checks(page.app, page.project_id)
    selection = filter_bar.bar(view["facets"], [row["filter"] for row in checks])
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{view['count']:,}** of {view['total']:,} answers")
        frame.link("Review", "Review these", filter=state.param("filter"))
        frame.link("Datasets", "Freeze these", filter=state.param("filter"))
        explore_panels.decide_all(page.app, page.project_id, selection)
    with frame.guard():
        explore_panels.work(page.app, page.project_id)
    map_run = exploration.newest_map(page.app, page.project_id)
    left, right = st.columns([3, 2])
    with left, frame.guard():
        if map_run:
            explore_panels.map_panel(page.app, page.project_id, map_run, selection)
        else:
            st.info("No map yet: draw one to see groups, search by meaning and lasso.", icon=":material/map:")
    with right, frame.guard():
        explore_panels.search(page.app, page.project_id, map_run)
        if map_run:
            explore_panels.cluster_list(page.app, map_run)
        explore_panels.statistics(page.app, page.project_id, selection)
    explore_panels.table(page.app, view, PAGE_SIZE)
    if state.param("sample"):
        explore_panels.card(page.app, state.param("sample"))
