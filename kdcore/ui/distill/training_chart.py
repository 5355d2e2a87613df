"""The figure of a training: loss above, a held-out measure below, on one axis of steps. Data in, figure out."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from statistics import median
from typing import NamedTuple

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from kdcore.evaluate.measures import Measure
from kdcore.evaluate.statistics import smooth
from kdcore.services.names import Named
from kdcore.ui.charts import INK, SERIES, SYMBOLS, Points, series

AROUND = 7  # steps on each side that a step is compared with
FEWEST = 8  # steps before anything is called a spike
SPIKE, SPREADS, SHARE = (
    1.5,
    6.0,
    0.25,
)  # times its neighbours' middle; their spreads, and shares of the whole range, above


class Look(NamedTuple):
    """How the curves are drawn: smoothing from 0 to 0.95, a logarithmic axis, and whether spikes set the scale."""

    weight: float = 0.6
    log_scale: bool = False
    outliers: bool = False


class Spike(NamedTuple):
    """A step whose loss stands out: its value, and the middle of the steps around it."""

    step: int
    value: float
    usual: float


def spikes(steps: Sequence[int], values: Sequence[float]) -> list[Spike]:
    """Steps far above their neighbours on both sides, the highest first; the fall at the beginning is none."""
    if len(values) < FEWEST:
        return []
    found: list[Spike] = []
    ordered = sorted(values)
    height = ordered[-1 - len(values) // 20] - ordered[0]  # of the curve without its few highest steps
    for place, value in enumerate(values):
        around = [*values[max(0, place - AROUND) : place], *values[place + 1 : place + 1 + AROUND]]
        usual = median(around)
        spread = median(abs(each - usual) for each in around)
        highest_before = max(values[max(0, place - 2) : place], default=value)
        above = max((SPIKE - 1) * usual, SPREADS * spread, SHARE * height)
        if value > usual + above and value > highest_before:
            found.append(Spike(steps[place], value, usual))
    return sorted(found, key=lambda spike: -spike.value)


def training_chart(points: Points, runs: Mapping[str, Named], measure: Measure | None, look: Look) -> go.Figure:
    """Both curves of some runs, each in its own colour and with its own sign; hover is shared by the two.

    ``points``: rows of run_id, split, name, step, value. Of a run the raw loss comes first, then the smoothed.
    """
    below = measure.title[:1].upper() + measure.title[1:] if measure else ""
    titles = ["Training loss, nats a token", *([f"Held-out rows: {below}"] if measure else [])]
    figure = make_subplots(
        len(titles), 1, shared_xaxes=True, vertical_spacing=0.13, subplot_titles=titles, row_heights=None
    )
    for run_id, named in runs.items():
        _loss(figure, points, run_id, named, look)
        if measure:
            steps, values = series(points, run_id, "heldout", measure.name)
            figure.add_scatter(
                x=steps,
                y=values,
                mode="lines+markers",
                name=html.escape(named.name),
                line={"color": SERIES[named.place % len(SERIES)], "width": 2.5},
                marker={"symbol": SYMBOLS[named.place % len(SYMBOLS)], "size": 9},
                row=2,
                col=1,
            )
    _scale(figure, points, list(runs), look)
    figure.update_layout(
        margin={"l": 8, "r": 8, "t": 28, "b": 8},
        hovermode="x unified",
        hoversubplots="axis",
        dragmode="pan",
        showlegend=len(runs) > 1,
        legend={"orientation": "h", "y": -0.12},
        uirevision="keep",
    )
    figure.update_annotations(font={"size": 14, "color": INK}, x=0, xanchor="left", selector={"xref": "paper"})
    figure.update_xaxes(title="step", row=len(titles), col=1)
    figure.update_yaxes(tickformat=".4~g", hoverformat=".4~g")  # or one point is told to its last digit
    return figure


def _loss(figure: go.Figure, points: Points, run_id: str, named: Named, look: Look) -> None:
    """Raw, faint; smoothed, strong."""
    steps, values = series(points, run_id, "train", "loss")
    colour, name = SERIES[named.place % len(SERIES)], html.escape(named.name)
    figure.add_scatter(
        x=steps,
        y=values,
        mode="lines+markers",
        name=f"{name}, each step",
        opacity=0.5,
        line={"color": colour, "width": 1},
        marker={"size": 5},
        showlegend=False,
        row=1,
        col=1,
    )
    figure.add_scatter(
        x=steps,
        y=smooth(values, look.weight),
        mode="lines",
        name=name,
        hoverinfo="skip",  # a click takes the first point that is told, and a line has none to take
        line={"color": colour, "width": 2.5},
        row=1,
        col=1,
    )


def _scale(figure: go.Figure, points: Points, run_ids: Sequence[str], look: Look) -> None:
    """Spikes are marked where they leave the picture, and do not press the rest of the curve flat."""
    if look.log_scale:
        figure.update_yaxes(type="log", row=1, col=1)
        return
    by_run = {run_id: series(points, run_id, "train", "loss") for run_id in run_ids}
    high = {run_id: {spike.step for spike in spikes(*found)} for run_id, found in by_run.items()}
    if look.outliers or not any(high.values()):
        return
    kept = [
        v for r, (steps, values) in by_run.items() for s, v in zip(steps, values, strict=True) if s not in high[r]
    ]
    low, top = min(kept), max(kept)
    room = 0.05 * (top - low or 1.0)
    figure.update_yaxes(range=[low - room, top + room], row=1, col=1)
    for found in by_run.values():
        for spike in spikes(*found):
            figure.add_annotation(
                x=spike.step, y=top, text=f"step {spike.step}: {spike.value:.3g}", showarrow=True, arrowhead=2,
                arrowcolor=INK, ax=28, ay=14, font={"size": 12, "color": INK}, row=1, col=1,
            )  # fmt: skip
