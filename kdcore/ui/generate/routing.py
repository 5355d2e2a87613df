"""Which run did best in each topic or group, and asking what is left there of just that run's teacher and prompt."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.ids import stable_hash
from kdcore.services.explore import samples as explore_samples
from kdcore.services.generate import routing
from kdcore.services.workspace import App
from kdcore.ui import state

PARTS = {"topic": "topic", "cluster": "group on the map"}
USABLE = "share of usable rows"


def routes(app: App, project_id: str, names: dict[str, str]) -> None:
    """A line for each part with what every run reached in it; the choice can be changed before the start."""
    st.markdown("**Send each part to its best**")
    with st.container(horizontal=True):
        by: Any = st.segmented_control(
            "Part", list(PARTS), format_func=PARTS.__getitem__, default="topic", key="routing.by", required=True
        )
        measures = [USABLE, *explore_samples.scores(explore_samples.checks(app, project_id))]
        measure = st.selectbox(
            "Goes by", measures, key="routing.measure", help="A check's score: the higher, the better"
        )
    found = routing.compare(app, project_id, list(names), by, "" if measure == USABLE else measure)
    whole = measure == USABLE
    table = st.data_editor(
        [
            {
                "part": entry["part"] or "(none)",
                "rows": entry["rows"],
                **{name: entry["shares"][run_id] for run_id, name in names.items()},
                "ask": names[entry["best"]],
            }
            for entry in found
        ],
        hide_index=True,
        disabled=["part", "rows", *names.values()],
        column_config={
            **{n: st.column_config.NumberColumn(n, format="percent" if whole else "%.3f") for n in names.values()},
            "ask": st.column_config.SelectboxColumn("ask", options=list(names.values()), required=True),
        },
        # an edit stays with its part, also when there are other parts
        key=f"routing-{stable_hash(by, measure, names, [entry['part'] for entry in found])}",
    )
    back = {name: run_id for run_id, name in names.items()}
    chosen = {entry["part"]: back[row["ask"]] for entry, row in zip(found, table, strict=True)}
    wanted = routing.plan(app, project_id, chosen, by)
    count = sum(map(len, wanted.values()))
    st.caption(
        f"{count} questions of these parts have no usable answer yet of the prompt and teacher chosen for them."
        if count
        else "Every question of these parts has a usable answer of the prompt and teacher chosen for it."
    )
    if st.button(
        f"Ask {count} questions in {len(wanted)} runs" if len(wanted) > 1 else f"Ask {count} questions",
        icon=":material/alt_route:",
        disabled=not count,
        key="routing.go",
    ):
        started = routing.start(app, project_id, chosen, by)
        state.set_params(run=started[0].run_id, see=None)
        st.rerun()
