"""The map of Explore: one or two of them, coloured by choice; a lasso becomes a filter, a click opens the sample."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import streamlit as st

from kdcore.configs.selection import EVERYTHING, InLasso, Selection
from kdcore.records.rows import VerdictKey
from kdcore.records.runs import MapRun
from kdcore.services.explore import maps
from kdcore.services.workspace import App
from kdcore.ui import filter_bar, frame, state
from kdcore.ui.explore import map_chart
from kdcore.ui.labels import check_name

COLOURS = {
    "title": "group",
    "broad": "broad group",
    "topic": "topic",
    "difficulty": "difficulty",
    "reader": "reader",
    "review": "decision",
    "status": "status",
    "prompt": "prompt version",
    "teacher": "teacher",
    "run": "run",
    "entropy": "teacher's uncertainty",
    "tokens": "length",
}
SCALES = {"entropy": "nats a token", "tokens": "tokens"}
DRAGS = {"pan": ":material/pan_tool: Move", "lasso": ":material/gesture: Lasso", "select": ":material/select: Box"}


def _map_name(run: MapRun) -> str:
    made = datetime.fromtimestamp(run["created"]).strftime("%d %b %H:%M")
    text = {"question_answer": "question and answer"}.get(run["config"]["text"], run["config"]["text"])
    return f"by {text}, {made}"


def choose(app: App, project_id: str) -> str | None:
    """The map in the address bar, the newest where none is named; a choice where there are several."""
    there = {run["run_id"]: _map_name(run) for run in maps.all_maps(app, project_id) if run["finished"]}
    if len(there) > 1:
        return state.choose("Map", list(there), "map", there.__getitem__, width=340)
    return next(iter(there), None)


@st.fragment
def panel(app: App, project_id: str, map_run: str, selection: Selection, checks: list[str]) -> None:
    """Colour, what dragging does, zoom, and the map with a second one beside it; ``checks`` have a score.

    A fragment: another colour redraws the map and nothing else on the page.
    """
    with frame.guard():
        _controls(app, project_id, map_run, selection, checks)


def _controls(app: App, project_id: str, map_run: str, selection: Selection, checks: list[str]) -> None:
    judged = [c for c in checks if VerdictKey.parse(c).kind == "check"]  # the others have a score and no verdict
    names = COLOURS | {f"verdict:{c}": f"check: {check_name(c)}" for c in judged}
    names |= {f"score:{c}": f"score: {check_name(c)}" for c in checks}
    others = {r["run_id"]: _map_name(r) for r in maps.all_maps(app, project_id) if r["finished"]}
    others.pop(map_run, None)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        colour: str = st.selectbox(
            "Colour", list(names), format_func=names.__getitem__, key="explore.colour", width=210
        )
        drag: str = st.segmented_control(
            "Dragging",
            list(DRAGS),
            format_func=DRAGS.__getitem__,
            default="pan",
            key="explore.drag",
            required=True,
        )
        zoom = selection != EVERYTHING and st.toggle("Zoom to the selected", key="explore.zoom")
        beside: str | None = None
        if others:
            beside = st.selectbox(
                "Beside it",
                list(others),
                index=None,
                format_func=others.__getitem__,
                key="explore.beside",
                width=260,
            )
    for place, run_id in zip(st.columns(2) if beside else [st.container()], filter(None, [map_run, beside])):  # noqa: B905
        with place, frame.guard():
            _one(app, project_id, run_id, selection, colour, drag or "pan", zoom=bool(zoom))

    newer = maps.unplaced(app, project_id, map_run)
    if newer:
        st.caption(f":material/update: {newer:,} answers are newer than this map; draw it again to see them on it.")


def _one(
    app: App, project_id: str, map_run: str, selection: Selection, colour: str, drag: str, *, zoom: bool
) -> None:
    seen = maps.picture(app, project_id, map_run, selection, colour, zoom=zoom)
    if seen.density:
        st.caption(
            f"{len(seen.points):,} of {seen.inside:,} points are drawn, some of every group; the grey shows where "
            "all the selected lie. Lasso, box, filters and counts act on all."
        )
    scale = SCALES.get(colour, "score" if colour.startswith("score:") else "")
    event: Any = st.plotly_chart(
        map_chart.sample_map(seen, scale=scale, drag=drag),
        on_select="rerun",
        selection_mode=("points", "lasso", "box"),
        key=f"map-{map_run}-{state.filter_key()}-{drag}-{zoom}",
        config={"scrollZoom": True, "displaylogo": False},
        alt="Map of the answers; near points have similar meaning",
    )
    _use(event, map_run)


def _use(event: Any, map_run: str) -> None:
    chosen = event.get("selection", {}) if event else {}
    if not state.is_new(f"map-{map_run}", [chosen.get("lasso"), chosen.get("box"), chosen.get("points")]):
        return
    for shape in chosen.get("lasso", []) + chosen.get("box", []):
        xs, ys = list(shape["x"]), list(shape["y"])
        if len(xs) == 2:  # a box comes as two corners
            xs, ys = [xs[0], xs[1], xs[1], xs[0]], [ys[0], ys[0], ys[1], ys[1]]
        if len(xs) >= 3:
            filter_bar.add(
                InLasso(map_run=map_run, xs=tuple(round(x, 4) for x in xs), ys=tuple(round(y, 4) for y in ys))
            )
            st.rerun()
    points = chosen.get("points", [])
    if len(points) == 1 and points[0].get("customdata"):
        found = points[0]["customdata"]  # as the chart was given it, or as its event wraps it
        state.set_params(sample=found if isinstance(found, str) else found[0])
        st.rerun()
