"""Groups of a map: size, shares, what people decided, and how two runs differ over them."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.selection import InClusters
from kdcore.services import names
from kdcore.services.explore import maps
from kdcore.services.workspace import App
from kdcore.ui import filter_bar, frame, state, teacher_form

SHARE: dict[str, Any] = {"format": "percent"}


def groups(app: App, project_id: str, map_run: str) -> None:
    """A table of groups; chosen ones become the filter. Their titles can be written by a teacher."""
    with frame.popover("Let a teacher write the titles", "titles", ":material/title:"), frame.guard():
        st.caption(f"It reads {maps.TYPICAL} questions of each group. The words that mark a group stay beside.")
        chosen = teacher_form.teacher()
        if st.button("Write them", type="primary", key="groups.titles"):
            maps.start_titles(app, project_id, map_run, chosen)
            frame.close_popover("titles")
            st.rerun()
    found = maps.groups(app, map_run)
    total = sum(g["size"] for g in found) or 1
    rows = [
        {
            "group": g["title"],
            **({"words": g["words"]} if any(g["words"] != g["title"] for g in found) else {}),
            "in": g["parent_title"] if g["parent_title"] != g["title"] else "",
            "rows": g["size"],
            "share": g["size"] / total,
            "usable": g["usable"],
            "fail a check": g["failing"],
            "accepted": g["accepted"],
            "rejected": g["rejected"],
            "uncertainty": g["entropy"],
        }
        for g in found
    ]
    st.caption("Choose one or more rows to look at these groups alone.")
    shares: Any = {name: st.column_config.NumberColumn(**SHARE) for name in ("share", "usable", "fail a check")}
    event: Any = st.dataframe(
        rows,
        hide_index=True,
        on_select="rerun",
        selection_mode="multi-row",
        key=f"groups-{map_run}-{state.filter_key()}",
        column_config=shares | {"uncertainty": st.column_config.NumberColumn("nats a token", format="%.2f")},
    )
    picked = event.get("selection", {}).get("rows", []) if event else []
    if picked and st.button(f"Look at {len(picked)}", icon=":material/filter_alt:", key="groups.filter"):
        chosen = tuple(found[i]["cluster"] for i in picked if i < len(found))
        filter_bar.add(InClusters(map_run=map_run, clusters=chosen))
        st.rerun()


def drift(app: App, project_id: str, map_run: str) -> None:
    """Two runs over the same groups: what there is more and less of."""
    called = names.called(app, project_id, "generate")
    ids = list(called)
    if len(ids) < 2:
        st.info("Ask the teacher a second time to compare two runs over the groups.", icon=":material/info:")
        return
    with st.container(horizontal=True):
        before = st.selectbox("Before", ids, index=1, format_func=called.__getitem__, key="drift.before") or ids[1]
        after = st.selectbox("After", ids, index=0, format_func=called.__getitem__, key="drift.after") or ids[0]
    found = maps.drift(app, map_run, before, after)
    st.caption(
        f"The spread over groups differs by {found['distance']:.0%} (total variation: 0 % is the same spread). "
        "Rows that were made after this map was drawn are not counted."
    )
    st.dataframe(
        [
            {"group": g["title"], "before": g["before"], "after": g["after"], "change": g["after"] - g["before"]}
            for g in found["groups"]
        ],
        hide_index=True,
        column_config={
            name: st.column_config.NumberColumn(format="percent") for name in ("before", "after", "change")
        },
    )


def group_list(app: App, project_id: str, map_run: str | None) -> None:
    """Both, or what is missing."""
    if map_run is None:
        st.info("Groups come with a map: draw one first.", icon=":material/map:")
        return
    with frame.guard():
        groups(app, project_id, map_run)
    with st.expander("How two runs differ", icon=":material/compare:"), frame.guard():
        drift(app, project_id, map_run)
