"""SQL for researchers: one SELECT over a snapshot of the project, run apart from the app."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from kdcore.configs.selection import IsOneOf
from kdcore.services.explore import sql
from kdcore.services.workspace import App
from kdcore.ui import filter_bar, frame, state

MAX_IN_FILTER = 500


def query_and_rows(app: App, project_id: str) -> None:
    """The query, and its rows; rows with a sample_id can become the filter."""
    st.caption(
        f"Tables: {', '.join(sql.tables())}. Read-only, on a snapshot of this project, at most 10 seconds, 1 GB "
        "and 1,000 rows."
    )
    text = st.text_area("Query", sql.EXAMPLE, key="sql.text", height=120, persist_state="session")
    if st.button("Run", type="primary", icon=":material/play_arrow:", key="sql.run"):
        state.of_project().pop("sql.found", None)
        with frame.guard(), st.spinner("Reading a snapshot of the project…"):
            state.of_project()["sql.found"] = sql.ask(app, project_id, text)
    found: dict[str, Any] | None = state.of_project().get("sql.found")
    if found is None:
        return
    if found["more"]:
        st.caption("Only the first 1,000 rows are shown.")
    st.dataframe(pd.DataFrame(found["rows"], columns=found["columns"]), hide_index=True)
    if "sample_id" in found["columns"] and found["rows"]:
        at = found["columns"].index("sample_id")
        ids = list(dict.fromkeys(str(row[at]) for row in found["rows"]))[:MAX_IN_FILTER]
        if st.button(f"Look at these {len(ids)} samples", icon=":material/filter_alt:", key="sql.filter"):
            filter_bar.add(IsOneOf(sample_ids=tuple(ids), label="from a query"))
            st.rerun()
