"""Panels of the Generate page: a new run with its forecast, and a run as it happens."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.selection import All, ColumnIs, to_url
from kdcore.services import exploration, generation, projects
from kdcore.services.app import App
from kdcore.ui import frame, state, teacher_form
from kdcore.ui.words import duration, short

ASK_ABOVE_ROWS, ASK_ABOVE_S = 1000, 1800.0


def new_run(app: App, project_id: str, versions: list[dict[str, Any]]) -> None:
    """Teacher, sampling, number of rows; the forecast before the start."""
    names = {v["prompt_version_id"]: f"{v['name']} v{v['version']}" for v in versions}
    left, right = st.columns(2)
    with left:
        version: str = st.selectbox("Prompt version", list(names), format_func=names.__getitem__) or ""
        topics = sorted(
            {r["topic"] for r in projects.seed_counts(app, project_id) if r["kind"] == "question" and r["topic"]}
        )
        chosen = st.multiselect("Topics", topics, placeholder="all topics")
        most = len(projects.seeds(app, project_id, topics=chosen or None))
        rows = st.number_input("How many questions", 1, max(1, most), max(1, most), help=f"{most} are there")
    with right:
        teacher, sampling = teacher_form.choose()
    ahead = generation.forecast(app, project_id, teacher, sampling, int(rows))
    money = f" · money {ahead['money']:.2f}" if ahead["money"] is not None else ""
    st.markdown(
        f"Forecast: **{ahead['answers']} answers**, about {ahead['tokens_out']:,} tokens, "
        f"**{duration(ahead['seconds'])}**{money}"
    )
    st.caption(f"Basis: {ahead['basis']}.")
    large = int(rows) > ASK_ABOVE_ROWS or (ahead["seconds"] or 0) > ASK_ABOVE_S
    sure = st.checkbox("Yes, this is a large run", key="generate.sure") if large else True
    if st.button("Start", type="primary", icon=":material/bolt:", disabled=not sure, key="generate.start"):
        run = generation.start_run(app, project_id, version, teacher, sampling, rows=int(rows), topics=chosen or None)
        state.set_params(run=run.run_id)
        st.rerun()


def run_panel(app: App, project_id: str, run_id: str) -> None:
    """Status, funnel and rows of one run, redrawn while it is active."""

    def draw() -> None:
        _funnel(app, run_id)
        _rows(app, project_id, run_id)

    frame.run_panel(app, run_id, draw)


def _funnel(app: App, run_id: str) -> None:
    funnel = generation.funnel(app, run_id)
    counts = funnel["by_status"]
    with st.container(horizontal=True):
        st.metric("asked", funnel["requested"], border=True)
        st.metric("answered", funnel["answered"], border=True)
        st.metric("usable", counts.get("parsed", 0), border=True)
        for name in ("truncated", "refused", "unparsed", "failed"):
            if counts.get(name):
                st.metric(name, counts[name], border=True)
        if funnel["waiting"]:
            st.metric("still to come", funnel["waiting"], border=True)
    if funnel["reasons"]:
        with st.expander("Why rows were lost", icon=":material/error:"):
            st.dataframe(funnel["reasons"], hide_index=True)
            if counts.get("failed") and st.button("Retry the failed rows", icon=":material/refresh:"):
                generation.retry_failed(app, run_id)
                st.rerun()


def _rows(app: App, project_id: str, run_id: str) -> None:
    selection = All(parts=(ColumnIs(column="run_id", values=(run_id,)),))
    view = exploration.view(app, project_id, selection, 0, 15, "created", True)
    if view["rows"]:
        st.caption("Newest rows")
        st.dataframe(
            [
                {
                    "status": r["status"],
                    "question": r["question"],
                    "answer": short(r["answer"] or r["completion"], 300),
                }
                for r in view["rows"]
            ],
            hide_index=True,
        )
        frame.link("Explore", "See them all in Explore", filter=to_url(selection))
