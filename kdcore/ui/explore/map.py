"""The map of Explore: one or two of them, coloured by choice; a lasso becomes a filter, a click opens the sample."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.selection import EVERYTHING, InLasso, Selection
from kdcore.records.rows import VerdictKey
from kdcore.services import names
from kdcore.services.explore import maps
from kdcore.services.workspace import App
from kdcore.ui import filter_bar, frame, state
from kdcore.ui.explore import actions, map_chart
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
HEIGHT = 572  # pixels in a window of 720; the style lets it grow with the window


def chosen(app: App, project_id: str) -> str | None:
    """The map in the address bar, the newest where none is named."""
    there = [run["run_id"] for run in maps.all_maps(app, project_id) if run["finished"]]
    wanted = state.param("map")
    return wanted if wanted in there else next(iter(there), None)


def none_yet(app: App, project_id: str, counts: tuple[int, int]) -> None:
    """What stands in the place of a map: what it is for, and the way to one."""
    _count(counts)
    with st.container(border=True, height=HEIGHT, key="stage", vertical_alignment="center"):
        st.subheader("There is no map of these answers yet", anchor=False)
        st.markdown("A map lays answers of like meaning near each other: groups, gaps and odd ones out are seen.")
        actions.draw_map(app, project_id)


def _count(counts: tuple[int, int]) -> None:
    st.markdown(f"**{counts[0]:,}** of {counts[1]:,} answers")


@st.fragment
def panel(
    app: App, project_id: str, map_run: str, selection: Selection, checks: list[str], counts: tuple[int, int]
) -> None:
    """Colour, what dragging does, zoom, and the map with a second one beside it; ``checks`` have a score.

    A fragment: another colour redraws the map and nothing else on the page. ``counts``: selected and all answers.
    """
    with frame.guard():
        _controls(app, project_id, map_run, selection, checks, counts)


def _controls(
    app: App, project_id: str, map_run: str, selection: Selection, checks: list[str], counts: tuple[int, int]
) -> None:
    judged = [c for c in checks if VerdictKey.parse(c).kind == "check"]  # the others have a score and no verdict
    colours = COLOURS | {f"verdict:{c}": f"check: {check_name(c)}" for c in judged}
    colours |= {f"score:{c}": f"score: {check_name(c)}" for c in checks}
    called = names.called(app, project_id, "embed")
    others = {r["run_id"]: called[r["run_id"]] for r in maps.all_maps(app, project_id) if r["finished"]}
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        colour: str = st.selectbox(
            "Colour",
            list(colours),
            format_func=lambda name: f"Colour: {colours[name]}",
            key="explore.colour",
            width=220,
            label_visibility="collapsed",
        )
        drag: str = st.segmented_control(
            "Dragging",
            list(DRAGS),
            format_func=DRAGS.__getitem__,
            default="pan",
            key="explore.drag",
            required=True,
            label_visibility="collapsed",
        )
        beside: str | None = None
        if len(others) > 1:
            with st.popover("Maps", icon=":material/layers:"):
                state.choose("Map", list(others), "map", others.__getitem__)
                if state.param("map") != map_run:
                    st.rerun()
                rest = [run_id for run_id in others if run_id != map_run]
                beside = st.selectbox(
                    "Beside it", rest, index=None, format_func=others.__getitem__, key="explore.beside"
                )
        zoom = selection != EVERYTHING and st.toggle("Zoom to these", key="explore.zoom")
        _count(counts)
    with st.container(key="stage", height=HEIGHT, border=False, gap="small"):
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
