"""Runs of a sweep side by side: means over seeds with their intervals, against the budget where there are several."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime

import streamlit as st

from kdcore.evaluate.measures import MEASURES, in_order
from kdcore.records.runs import Run, WatchedRun
from kdcore.services import names
from kdcore.services.distill import sweeps
from kdcore.services.workspace import App
from kdcore.ui import charts, frame
from kdcore.ui.distill.curves import NO_BAR
from kdcore.ui.labels import escape


def compare_panel(app: App, runs: Sequence[WatchedRun]) -> None:
    """Choose sweeps, see the table and the figure; live while runs wait or train."""
    groups = sweep_groups(runs)
    if not groups:
        st.info(
            'No sweep yet. "Several runs" beside the recipe trains it under several losses, budgets and seeds.',
            icon=":material/leaderboard:",
        )
        return
    chosen = st.multiselect(
        "Sweeps",
        list(groups),
        default=list(groups)[:1],
        format_func=lambda name: label_of(groups[name]),
        key="sweeps",
    )
    of_them = [run for name in chosen for run in groups[name]]
    if of_them:
        active = next((run["run_id"] for run in of_them if run["status"].state in ("queued", "running")), None)
        frame.while_active(
            app, active or of_them[0]["run_id"], lambda: _results(app, [run["run_id"] for run in of_them])
        )


def sweep_groups(runs: Sequence[WatchedRun]) -> dict[str, list[WatchedRun]]:
    """Training runs by sweep, the newest sweep first; runs of no sweep are left out."""
    groups: dict[str, list[WatchedRun]] = {}
    for run in runs:
        if name := run["config"].get("sweep"):
            groups.setdefault(name, []).append(run)
    return groups


def label_of(runs: Sequence[Run]) -> str:
    """Name, size and day of a sweep."""
    return f"{runs[0]['config']['name'] or 'Student'}, {len(runs)} runs, {_begun(runs[0]['config']['sweep'])}"


def _begun(sweep: str) -> str:
    """When a sweep was begun, such as ``26 Nov 14:05``: its id tells."""
    found = re.search(r"\d{8}-\d{6}", sweep)
    return datetime.strptime(found[0], "%Y%m%d-%H%M%S").strftime("%-d %b %H:%M") if found else sweep


def _results(app: App, run_ids: list[str]) -> None:
    states = [app.status(run_id).state for run_id in run_ids]
    waiting = [run_id for run_id in sweeps.queued(app) if run_id in run_ids]
    done, failed = states.count("done"), [run for run, s in zip(run_ids, states, strict=True) if s == "failed"]
    st.progress(done / len(states), text=f"{done} of {len(states)} trainings done, {len(waiting)} wait")
    if failed:
        st.warning(
            f"{len(failed)} failed, such as {escape(names.of_run(app, failed[0]))}; they are left out.",
            icon=":material/error:",
        )
    if waiting and st.button("Take the waiting ones out", icon=":material/playlist_remove:", key="sweep.clear"):
        sweeps.take_out(app, waiting)
        st.rerun(scope="fragment")
    table = sweeps.results(app, run_ids)
    if not table:
        st.caption("The first figures come when the first training has ended.")
        return
    several = len({row["sweep"] for row in table}) > 1
    if several:  # other settings may differ too, so each keeps its own line
        table = [{**row, "arm": f"{row['arm']} ({_begun(row['sweep'])})"} for row in table]
    known = in_order({name for row in table for name in row["measures"]})
    measured = [measure.name for measure in known]
    name: str = st.selectbox(
        "Measured at the end", measured, format_func=lambda n: MEASURES[n].title, key="sweep.measure"
    )
    chosen = MEASURES[name]
    note = f"{chosen.unit}, {chosen.better}"
    st.plotly_chart(charts.arms(table, name, f"Held-out {chosen.title}", note), key="arms", config=NO_BAR)
    st.dataframe(
        [
            {
                "losses": row["arm"],
                "rows": row["rows"] or "all",
                "seeds": max(m["n"] for m in row["measures"].values()),
            }
            | {m.title: _cell(row["measures"].get(m.name), m.form) for m in known}
            for row in table
        ],
        hide_index=True,
    )
    st.caption("Mean over the seeds, with a 95 % t interval where there are two or more.")


def _cell(value: dict[str, float] | None, form: str) -> str:
    if value is None:
        return ""
    text = form.format(value["mean"])
    return text if value["n"] == 1 else f"{text} ± {form.format(value['high'] - value['mean'])}"
