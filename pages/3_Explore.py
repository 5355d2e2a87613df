import streamlit as st

from kdcore.services import exploration, marks
from kdcore.ui import explore_panels, explore_tabs, filter_bar, frame, map_panel, state, views_panel

PAGE_SIZE = 50
with frame.page("Explore") as page:
    app, project = page.app, page.project_id
    sort, number, down = state.param("sort", "created"), state.number("page"), bool(state.param("down"))
    view = exploration.view(app, project, state.selection(), number, PAGE_SIZE, sort, down)
    if not view["total"]:
        frame.empty("There are no answers yet.", "Generate", "Ask the teacher")
    checks = exploration.checks(app, project)
    selection = filter_bar.bar(view["facets"], [c["filter"] for c in checks if c["failed"]], marks.tags(app, project))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{view['count']:,}** of {view['total']:,} answers")
        frame.link("Review", "Review these", filter=state.param("filter"))
        frame.link("Datasets", "Freeze these", filter=state.param("filter"))
        explore_panels.decide_all(app, project, selection)
        explore_panels.tag_all(app, project, selection)
        views_panel.show(app, project)
    map_run = map_panel.choose(app, project)
    with frame.guard():
        explore_panels.work(app, project, map_run, selection)
    left, right = st.columns([3, 2])
    with left, frame.guard():
        if map_run:
            map_panel.panel(app, project, map_run, selection, exploration.scores(checks))
        else:
            st.info("No map yet: draw one to see groups, search by meaning and lasso.", icon=":material/map:")
    with right, frame.guard():
        explore_panels.search(app, project, map_run)
        explore_panels.statistics(app, project, selection, checks)
    explore_tabs.show(app, project, map_run, selection, view, PAGE_SIZE)
