"""What there is of each topic, what is missing, and the way to fill a hole."""

from __future__ import annotations

import streamlit as st

from kdcore.configs.selection import ColumnIs
from kdcore.services.generate import views as run_views
from kdcore.services.workspace import App
from kdcore.ui import charts, filter_bar, shell
from kdcore.ui.labels import escape

MAX_HOLES = 8
ACROSS = ["difficulty", "reader"]


def grid(app: App, project_id: str, run_id: str | None, key: str) -> str:
    """The grid of topics; returns what it is across."""
    across = st.segmented_control("Across", ACROSS, default="difficulty", key=f"{key}.across", required=True)
    cells = run_views.coverage(app, project_id, run_id, across or "difficulty")
    if not cells:
        st.info("No row yet.", icon=":material/info:")
        return across or "difficulty"
    st.plotly_chart(
        charts.coverage(cells, across or "difficulty"), key=f"{key}.grid", config={"displayModeBar": False}
    )
    st.caption("Usable rows in each cell; an empty cell is a hole. The share tells how many rows were usable.")
    return across or "difficulty"


def coverage_grid(app: App, project_id: str) -> None:
    """The grid of the whole project, its emptiest cells, and links that fill them."""
    across = grid(app, project_id, None, "coverage-all")
    thin = run_views.thinnest(app, project_id, across, MAX_HOLES)
    if thin:
        st.markdown("**Fewest usable rows**")
    for cell in thin:
        with st.container(horizontal=True, vertical_alignment="center"):
            topic, value = escape(cell["topic"] or "no topic"), escape(cell["value"] or "not given")
            st.markdown(f"{topic} · {value}: **{cell['usable']}**")
            shell.link("Generate", "Generate here", topics=cell["topic"] or "")
            if cell["rows"] and st.button("See the rows", key=f"cell-{cell['topic']}-{cell['value']}"):
                filter_bar.add(ColumnIs(column="topic", values=(cell["topic"] or "",)))
                filter_bar.add(ColumnIs(column=across, values=(cell["value"] or "",)))  # pyright: ignore[reportArgumentType]
                st.rerun()
