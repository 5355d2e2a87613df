"""What lies below the map of Explore, one tab at a time: rows, groups, duplicates, concepts, coverage, SQL."""

from __future__ import annotations

from kdcore.configs.selection import Selection
from kdcore.records.figures import View
from kdcore.services.workspace import App
from kdcore.ui import frame, state
from kdcore.ui.explore import concepts as concepts_panel
from kdcore.ui.explore import duplicates as duplicates_panel
from kdcore.ui.explore import groups as groups_panel
from kdcore.ui.explore import sql as sql_panel
from kdcore.ui.explore import table as table_panel
from kdcore.ui.generate import coverage as coverage_panel

TABS = {
    "rows": ":material/table_rows: Rows",
    "groups": ":material/bubble_chart: Groups",
    "duplicates": ":material/content_copy: Duplicates",
    "concepts": ":material/school: Concepts",
    "coverage": ":material/grid_on: Coverage",
    "sql": ":material/database: SQL",
}


def open_tab(
    app: App, project_id: str, map_run: str | None, selection: Selection, view: View, page_size: int
) -> None:
    """The choice of tabs and the open one."""
    tab = state.tab(TABS, "tab")
    with frame.guard():
        if tab == "groups":
            groups_panel.group_list(app, project_id, map_run)
        elif tab == "duplicates":
            duplicates_panel.duplicate_pairs(app, project_id, selection)
        elif tab == "concepts":
            concepts_panel.concept_list(app, project_id, map_run, selection)
        elif tab == "coverage":
            coverage_panel.coverage_grid(app, project_id)
        elif tab == "sql":
            sql_panel.query_and_rows(app, project_id)
        else:
            table_panel.table(app, view, page_size)
