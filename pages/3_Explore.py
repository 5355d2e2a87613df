import streamlit as st

from kdcore.services.explore import samples as explore_samples
from kdcore.ui import frame, state
from kdcore.ui.explore import map as map_panel
from kdcore.ui.explore import side as side_panel
from kdcore.ui.explore import table as table_panel
from kdcore.ui.explore import tabs as explore_tabs

PAGE_SIZE = 50
WIDTHS = (16, 7)  # of the map and of what stands beside it
with frame.page("Explore") as page:
    app, project = page.app, page.project_id
    selection = state.selection()
    sort = state.param("sort", table_panel.usual_sort(selection))
    number, down = state.number("page"), bool(state.param("down"))
    view = explore_samples.view(app, project, selection, number, PAGE_SIZE, sort, down)
    if not view["total"]:
        frame.empty("There are no answers yet.", "Generate", "Ask the teacher")
    checks = explore_samples.checks(app, project)
    map_run = map_panel.chosen(app, project)
    left, right = st.columns(WIDTHS, gap="small")
    with left, frame.guard():
        counts = (view["count"], view["total"])
        if map_run:
            map_panel.panel(app, project, map_run, selection, explore_samples.scores(checks), counts)
        else:
            map_panel.none_yet(app, project, counts)
    with right, frame.guard():
        side_panel.side(app, project, map_run, selection, view, checks)
    explore_tabs.open_tab(app, project, map_run, selection, view, PAGE_SIZE)
