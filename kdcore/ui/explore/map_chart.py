"""The figure of a map: points over the density of the selected, titles that grow finer as the view narrows."""

from __future__ import annotations

import html
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import plotly.graph_objects as go

from kdcore.services.explore.maps import Picture
from kdcore.ui.charts import GROUND, INK, SERIES, SYMBOLS

MANY_POINTS = 5000  # above it a hover shows the question alone: the page stays small enough to redraw at once
MAX_IN_LEGEND = 12  # more names than that push the map aside; the titles on it and the list of groups tell them
BROAD_ABOVE = 12  # groups in view beyond which the broad titles stand for them
LOWEST = 430  # pixels that the map is high at least: titles that keep clear there do in every larger window
LETTER, PADDING, LINE = 7.6, 14, 24  # pixels of a title: width of a letter, beside them, and height
MAX_TITLES = 40
Points = Sequence[Mapping[str, Any]]


def _wrapped(value: str | None) -> str:
    """Untrusted text for a hover box: no tag of its own, broken into short lines."""
    return "<br>".join(textwrap.wrap(html.escape(value or ""), 60))


def _hover(point: Mapping[str, Any], *, brief: bool) -> str:
    """What a hover shows of a sample."""
    if brief:
        return html.escape((point["question"] or "")[:80])
    question, answer, title = (_wrapped(point[name]) for name in ("question", "answer", "title"))
    return f"<b>{question}</b><br>{answer}<br><i>{title}</i>"


def _opacity(members: Points) -> float | list[float]:
    """Unselected points are dimmed, not hidden; one number where none is."""
    return 0.9 if all(p["selected"] for p in members) else [0.9 if p["selected"] else 0.12 for p in members]


def _titles(picture: Picture) -> list[dict[str, Any]]:
    """Titles at the middle of their groups, the largest first; one that would cover another is left to the list."""
    pixel = (picture.box[3] - picture.box[2]) / LOWEST  # in units of the map
    broad = len(picture.groups) > BROAD_ABOVE
    named: dict[str, Mapping[str, Any]] = {}
    for group in picture.groups:  # the largest of a broad group lends it its place
        named.setdefault(group["parent_title"] if broad else group["title"], group)
    taken: list[tuple[float, float, float]] = []
    shown: list[dict[str, Any]] = []
    for title, group in named.items():
        x, y = group["x"], group["y"]
        half = (LETTER * len(title) + PADDING) / 2 * pixel
        if any(abs(x - across) < half + other and abs(y - up) < LINE * pixel for across, up, other in taken):
            continue
        taken.append((x, y, half))
        shown.append(
            {
                "x": x,
                "y": y,
                "text": f"<b>{html.escape(title)}</b>",
                "showarrow": False,
                "font": {"size": 13, "color": INK},
                "bgcolor": GROUND,  # points lie under it
                "borderpad": 2,
                "opacity": 0.88,
                "yshift": 16,  # above the middle, so that a group of one stays to be seen
            }
        )
    return shown[:MAX_TITLES]


def _density(picture: Picture) -> list[dict[str, Any]]:
    """A grid of greys below the points: how many rows lie there, drawn or not."""
    if not picture.density:
        return []
    left, right, bottom, top = picture.box
    step = picture.step
    columns, lines = (int((right - left) / step) + 1, int((top - bottom) / step) + 1)
    grid: list[list[float | None]] = [[None] * columns for _ in range(lines)]
    for cell in picture.density:
        if 0 <= cell["column"] < columns and 0 <= cell["line"] < lines:
            grid[cell["line"]][cell["column"]] = cell["rows"] ** 0.5
    return [
        {
            "type": "heatmap",
            "name": "density",
            "z": grid,
            "x0": left + step / 2,
            "dx": step,
            "y0": bottom + step / 2,
            "dy": step,
            "colorscale": [[0, "rgba(120,130,140,0.06)"], [1, "rgba(120,130,140,0.7)"]],
            "showscale": False,
            "hoverinfo": "skip",
        }
    ]


def _trace(members: Points, name: str, marker: dict[str, Any], *, many: bool) -> dict[str, Any]:
    return {
        "type": "scattergl",
        # Arrays: Plotly looks at every element of a list, and sends the numbers of an array as they lie.
        "x": np.array([p["x"] for p in members], dtype=np.float32),
        "y": np.array([p["y"] for p in members], dtype=np.float32),
        "mode": "markers",
        "name": name[:40],
        "customdata": np.array([p["sample_id"] for p in members], dtype=object),
        "text": np.array([_hover(p, brief=many) for p in members], dtype=object),
        "hovertemplate": "%{text}<extra></extra>",
        "marker": {
            "opacity": _opacity(members),
            "line": {"width": 0 if many else 0.5, "color": "rgba(255,255,255,0.6)"},
            **marker,
        },
    }


def _by_name(points: Points, size: int) -> list[dict[str, Any]]:
    """One trace for each value, told apart by colour and by sign."""
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for point in points:
        groups.setdefault(str(point["colour"] if point["colour"] not in (None, "") else "none"), []).append(point)
    return [
        _trace(
            members,
            name,
            {
                "size": size,
                "color": SERIES[number % len(SERIES)],
                "symbol": SYMBOLS[number % len(SYMBOLS)],
            },
            many=len(points) > MANY_POINTS,
        )
        for number, (name, members) in enumerate(sorted(groups.items(), key=lambda item: -len(item[1])))
    ]


def _by_amount(points: Points, size: int, name: str) -> list[dict[str, Any]]:
    """One trace with a scale; points without a number lie below it in grey."""
    known = [p for p in points if p["colour"] is not None]
    unknown = [p for p in points if p["colour"] is None]
    many = len(points) > MANY_POINTS
    scale = {"color": [p["colour"] for p in known], "colorscale": "Viridis", "showscale": True, "size": size}
    bar = {"colorbar": {"thickness": 10, "outlinewidth": 0, "title": {"text": name, "side": "right"}}}
    traces = [_trace(unknown, "none", {"size": size, "color": "rgba(127,127,127,0.5)"}, many=many)] if unknown else []
    return traces + ([_trace(known, name, {**scale, **bar}, many=many)] if known else [])


def sample_map(picture: Picture, *, scale: str = "", drag: str = "pan", height: int = 560) -> go.Figure:
    """WebGL map; ``scale`` names the number that colours it, empty where the colour is a name.

    Flat lists and one constructor: Plotly looks at every element of what is nested or added later.
    """
    size = 9 if len(picture.points) < 2000 else 5
    traces = _by_amount(picture.points, size, scale) if scale else _by_name(picture.points, size)
    figure = go.Figure(data=_density(picture) + traces, layout={"annotations": _titles(picture)})
    left, right, bottom, top = picture.box
    figure.update_layout(
        height=height,
        margin={"l": 0, "r": 0, "t": 8, "b": 0},
        dragmode=drag,
        hoverlabel={"align": "left"},
        uirevision="keep",
        showlegend=not scale and 1 < len(traces) <= MAX_IN_LEGEND,
        legend={"orientation": "h", "y": -0.02},
        xaxis={"visible": False, "range": [left, right]},
        yaxis={"visible": False, "range": [bottom, top], "scaleanchor": "x"},
    )
    return figure
