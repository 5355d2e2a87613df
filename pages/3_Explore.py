import streamlit as st

from kdcore.services.explore import samples as explore_samples
from kdcore.services.explore import tags
from kdcore.ui import filter_bar, frame, state
from kdcore.ui.explore import actions as actions_panel
from kdcore.ui.explore import map as map_panel
from kdcore.ui.explore import saved_views as views_panel
from kdcore.ui.explore import table as table_panel
from kdcore.ui.explore import tabs as explore_tabs

PAGE_SIZE = 50
with frame.page("Explore") as page:
    app, project = page.app, page.project_id
    sort = state.param("sort", table_panel.usual_sort(state.selection()))
    number, down = state.number("page"), bool(state.param("down"))
    view = explore_samples.view(app, project, state.selection(), number, PAGE_SIZE, sort, down)
    if not view["total"]:
        frame.empty("There are no answers yet.", "Generate", "Ask the teacher")
    checks = explore_samples.checks(app, project)
    selection = filter_bar.bar(view["facets"], explore_samples.failing(checks), tags.tags(app, project))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"**{view['count']:,}** of {view['total']:,} answers")
        frame.link("Review", "Review these", filter=state.param("filter"))
        frame.link("Datasets", "Freeze these", filter=state.param("filter"))
        actions_panel.decide_all(app, project, selection)
        actions_panel.tag_all(app, project, selection)
        views_panel.views_menu(app, project)
    map_run = map_panel.choose(app, project)
    with frame.guard():
        actions_panel.maps_checks_and_picks(app, project, map_run, selection)
    left, right = st.columns([3, 2])
    with left, frame.guard():
        if map_run:
            map_panel.panel(app, project, map_run, selection, explore_samples.scores(checks))
        else:
            st.info("No map yet: draw one to see groups, search by meaning and lasso.", icon=":material/map:")
    with right, frame.guard():
        actions_panel.search(app, project, map_run)
        actions_panel.statistics(app, project, selection, checks)
    explore_tabs.open_tab(app, project, map_run, selection, view, PAGE_SIZE)
