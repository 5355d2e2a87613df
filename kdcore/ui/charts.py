"""Plotly figures: curves, bars and grids. Data in, figure out; Streamlit's theme colours them."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

import plotly.graph_objects as go

from kdcore.evaluate.statistics import smooth
from kdcore.services.names import Named

# Streamlit's theme of Plotly puts the series colours of light or dark in the place of these, in the browser.
SERIES = tuple(f"#{number:06d}" for number in range(1, 9))
GROUND, INK, GREY = "#000038", "#000037", "#000036"
COLOURS = {"base": GREY, "student": SERIES[0], "teacher": SERIES[2]}  # of candidates that every run has
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star")
Points = Sequence[Mapping[str, Any]]


def _layout(figure: go.Figure, title: str, y: str, height: int = 300) -> go.Figure:
    figure.update_layout(
        title={"text": title, "font": {"size": 14}},
        height=height,
        margin={"l": 8, "r": 8, "t": 40, "b": 8},
        hovermode="x unified",
        legend={"orientation": "h", "y": -0.25},
        uirevision="keep",
        xaxis={"title": "step"},
        yaxis={
            "title": y,
            "tickformat": ".4~g",
            "hoverformat": ".4~g",
        },  # or one point is told to its last digit
    )
    return figure


def series(points: Points, run_id: str, split: str, name: str) -> tuple[list[int], list[float]]:
    """Steps and values of one curve of a run."""
    found = [p for p in points if p["run_id"] == run_id and p["split"] == split and p["name"] == name]
    return [p["step"] for p in found], [p["value"] for p in found]


def slice_curves(points: Points, run_id: str, names: Sequence[str], weight: float) -> go.Figure:
    """Training loss of each slice of a recipe, smoothed; ``names`` in the order of the recipe."""
    figure = go.Figure()
    for number, name in enumerate(names):
        steps, values = series(points, run_id, "train", f"loss/slice{number}")
        figure.add_scatter(
            x=steps,
            y=smooth(values, weight),
            mode="lines+markers",
            name=f"{number + 1}: {name}",
            line={"color": SERIES[number % len(SERIES)]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 5},
        )
    return _layout(figure, "Training loss of each slice", "nats a token")


def train_curve(points: Points, runs: Mapping[str, Named], name: str, title: str, y: str) -> go.Figure:
    """A plain training curve, such as the learning rate; each run in the colour that it has everywhere."""
    figure = go.Figure()
    for run_id, named in runs.items():
        steps, values = series(points, run_id, "train", name)
        line = {"color": SERIES[named.place % len(SERIES)]}
        figure.add_scatter(x=steps, y=values, mode="lines", name=html.escape(named.name), line=line)
    return _layout(figure, title, y, 240)


def gradient_shares(points: Points, run_id: str, terms: Mapping[str, str]) -> go.Figure:
    """Each term's share of the gradient at the evaluations, stacked to the whole; ``terms``: curve → its words."""
    figure = go.Figure()
    for number, (name, words) in enumerate(terms.items()):
        steps, values = series(points, run_id, "train", name)
        figure.add_scatter(
            x=steps,
            y=values,
            mode="lines+markers",
            stackgroup="share",
            name=words,
            line={"color": SERIES[number % len(SERIES)]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 6},
        )
    return _layout(figure, "Each term's share of the gradient", "share of the gradient norms")


def arms(table: Sequence[Mapping[str, Any]], name: str, title: str, y: str) -> go.Figure:
    """A measure of each arm with its interval: against the training rows where there are several budgets."""
    found = [row for row in table if name in row["measures"]]
    by_arm: dict[str, list[Mapping[str, Any]]] = {}
    for row in found:
        by_arm.setdefault(row["arm"], []).append(row)
    several = len({row["rows"] for row in found}) > 1
    figure = go.Figure()
    for number, (arm, rows) in enumerate(by_arm.items()):
        values = [row["measures"][name] for row in rows]
        figure.add_scatter(
            x=[str(row["rows"] or "all") for row in rows] if several else [arm],
            y=[value["mean"] for value in values],
            error_y={"type": "data", "array": [value["high"] - value["mean"] for value in values], "width": 5},
            mode="lines+markers",
            name=arm,
            line={"color": SERIES[number % len(SERIES)]},
            marker={"symbol": SYMBOLS[number % len(SYMBOLS)], "size": 10},
            showlegend=several,
        )
    _layout(figure, title, y, 340)
    figure.update_layout(hovermode="closest", xaxis={"title": "training rows" if several else ""})
    if several:
        order = sorted({row["rows"] for row in found}, key=lambda rows: (rows == 0, rows))
        figure.update_xaxes(type="category", categoryorder="array", categoryarray=[str(r or "all") for r in order])
    return figure


def coverage(cells: Points, across: str) -> go.Figure:
    """A grid of topics against another column: usable rows in each cell, an empty cell is a hole."""
    topics = sorted({str(c["topic"] or "no topic") for c in cells})
    values = sorted({str(c["value"] or f"no {across}") for c in cells})
    found = {(str(c["topic"] or "no topic"), str(c["value"] or f"no {across}")): c for c in cells}
    usable = [[found[t, v]["usable"] if (t, v) in found else 0 for v in values] for t in topics]
    text = [
        [f"{found[t, v]['usable']} of {found[t, v]['rows']}" if (t, v) in found else "hole" for v in values]
        for t in topics
    ]
    figure = go.Figure(
        go.Heatmap(
            x=[html.escape(v) for v in values],
            y=[html.escape(t) for t in topics],
            z=usable,
            text=text,
            texttemplate="%{text}",
            colorscale=[[0, "rgba(127,127,127,0.08)"], [1, SERIES[0]]],
            showscale=False,
            xgap=2,
            ygap=2,
        )
    )
    figure.update_layout(height=120 + 28 * len(topics), margin={"l": 0, "r": 0, "t": 8, "b": 0})
    figure.update_xaxes(showgrid=False).update_yaxes(showgrid=False)
    return figure


def bars(rows: Sequence[Mapping[str, Any]], title: str) -> go.Figure:
    """A histogram of ``[{low, high, rows}]``."""
    figure = go.Figure(
        go.Bar(
            x=[(r["low"] + r["high"]) / 2 for r in rows],
            y=[r["rows"] for r in rows],
            width=[r["high"] - r["low"] for r in rows],
            marker={"color": SERIES[0]},
        )
    )
    figure.update_layout(
        title={"text": title, "font": {"size": 13}}, height=180, margin={"l": 0, "r": 0, "t": 32, "b": 0}
    )
    return figure


def calibration(bins: Points) -> go.Figure:
    """How often a model is right against how sure it is, ``[{low, high, sure, right, pairs}]``; the line is ideal."""
    figure = go.Figure(
        [
            go.Bar(
                x=[b["sure"] for b in bins],
                y=[b["right"] for b in bins],
                width=[0.8 * (b["high"] - b["low"]) for b in bins],
                text=[f"{b['pairs']} pairs" for b in bins],
                hovertemplate="sure %{x:.0%}, right %{y:.0%}, %{text}<extra></extra>",
                marker={"color": SERIES[0]},
                name="right",
            ),
            go.Scatter(x=[0.5, 1], y=[0.5, 1], mode="lines", line={"dash": "dash", "color": SERIES[1]}, name="ideal"),
        ]
    )
    _layout(figure, "Right as often as it is sure?", "share of pairs that are right", 280)
    figure.update_xaxes(title="how sure it is", tickformat=".0%", range=[0.48, 1.02])
    return figure.update_yaxes(tickformat=".0%", range=[0, 1.05])


def interval_bars(
    summary: Mapping[str, Mapping[str, Mapping[str, float]]], name: str, title: str, note: str
) -> go.Figure:
    """One bar for each candidate with its 95 % interval; a measure that spans decades gets a logarithmic axis."""
    labels = [label for label, measures in summary.items() if name in measures]
    values = [summary[label][name] for label in labels]
    figure = go.Figure(
        go.Bar(
            x=[
                f"{html.escape(label)}<br><b>{value['mean']:.3g}</b>"
                for label, value in zip(labels, values, strict=True)
            ],
            y=[v["mean"] for v in values],
            error_y={
                "type": "data",
                "symmetric": False,
                "array": [v["high"] - v["mean"] for v in values],
                "arrayminus": [v["mean"] - v["low"] for v in values],
            },
            marker={"color": [COLOURS.get(label, SERIES[1 + n % 6]) for n, label in enumerate(labels)]},
        )
    )
    figure.update_layout(
        title={"text": title, "font": {"size": 14}, "subtitle": {"text": note, "font": {"size": 11}}},
        height=280,
        margin={"l": 0, "r": 0, "t": 56, "b": 0},
    )
    means = [v["mean"] for v in values if v["mean"] > 0]
    if means and max(means) > 100 * max(1.0, min(means)):  # shares stay on a plain axis
        figure.update_yaxes(type="log")
    return figure
