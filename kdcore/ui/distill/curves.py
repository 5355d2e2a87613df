"""A training run on the Distill page: live curves, the rows of its steps, what its student says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from kdcore.evaluate.measures import MEASURES, in_order
from kdcore.records.runs import Point
from kdcore.services.distill import runs as training_runs
from kdcore.services.workspace import App
from kdcore.ui import charts, frame, live, state
from kdcore.ui.distill import reward_model as reward_panel
from kdcore.ui.distill.recipe import report

# what each step tells besides its loss → (title, unit)
GAUGES = {
    "learning_rate": ("Learning rate", ""),
    "tokens_per_s": ("Speed", "supervised tokens/s"),
    "grad_norm": ("Gradient before clipping", "norm"),
    "mfu": ("Share of the machine's arithmetic (MFU)", "of a plain matrix product"),
    "memory_gb": ("Memory", "GB"),
    "margin": ("Margin of the better answer", "nats"),
    "preferred": ("The better answer is likelier", "share of the step's pairs"),
    "gain/good": ("Accepted answers became likelier by", "nats"),
    "gain/bad": ("Rejected answers became likelier by", "nats"),
    "reward": ("Reward of the answers", "mean of the step"),
    "reward_std": ("How far the answers' rewards lie apart", "standard deviation"),
    "kl": ("Distance from where it began", "nats a token"),
    "entropy": ("Doubt at each word", "nats"),
    "answer_tokens": ("Length of its own answers", "tokens"),
    "loss/similarity": ("Distance of inner states", "weighed"),
}
# what of the shown answers can't be trusted → (title, what it means)
TRUST = {
    "refuses": ("refuses", "Answers that decline"),
    "repeats": ("repeats itself", "Answers that say the same words again and again"),
    "cites": ("cites the unknown", "Answers that name a provision which question, passage and frozen answer do not"),
}
CURVES_POLL_S = 3.0  # drawing them takes time from a training on the same machine
NO_BAR = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
VIEWS = {
    "curves": ":material/show_chart: Curves",
    "rows": ":material/table_rows: Rows",
    "answers": ":material/chat: What it says",
    "compare": ":material/leaderboard: Compare",
    "take": ":material/download: Take away",
}


def curves_panel(app: App, run_id: str, others: list[str]) -> None:
    """The curves, redrawn while the run is active; they come from the store, so a refresh keeps them."""
    live_panel(app, run_id, lambda: _curves(app, [run_id, *others]), CURVES_POLL_S)
    reward_panel.reward_figures(app, run_id)
    with st.expander("Recipe and check of this run", icon=":material/description:"):
        report(training_runs.preflight_report(app, run_id) or {})
        st.json(app.run_dir(run_id).config(), expanded=False)


def live_panel(app: App, run_id: str, draw: Callable[[], None], every_s: float = live.POLL_S) -> None:
    """``draw`` again and again while the run is active."""

    @st.fragment(run_every=every_s if live.is_active(app.status(run_id)) else None)
    def panel() -> None:
        with frame.guard():
            live.rerun_when_ended(run_id, app.status(run_id))
            draw()

    panel()


def _curves(app: App, run_ids: list[str]) -> None:
    points = training_runs.curves(app, run_ids)
    if not points:
        st.info("The first point comes with the first step.", icon=":material/show_chart:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        weight = st.slider("Smoothing", 0.0, 0.95, 0.6, 0.05, key="distill.smooth", width=220)
        log_scale = st.toggle("Logarithmic", key="distill.log")
    left, right = st.columns(2)
    with left:
        _loss(points, run_ids, weight, log_scale)
    held = [p for p in points if p["split"] == "heldout"]
    if held:
        there = [measure.name for measure in in_order(p["name"] for p in held)]
        name: str = right.selectbox(
            "Measured on the held-out rows",
            there,
            format_func=lambda n: MEASURES[n].title[:1].upper() + MEASURES[n].title[1:],
            key="distill.measure",
            persist_state="session",
        )
        title, unit = MEASURES[name].title, MEASURES[name].unit
        right.plotly_chart(
            charts.heldout_curves(points, run_ids, name, f"Held-out {title}", unit),
            key="curve-heldout",
            config=NO_BAR,
        )
        _latest(held, run_ids[0])
    else:
        right.info("No held-out curve: this version has no held-out rows, or the first evaluation is still to come.")
    _trust(app, points, run_ids[0])
    _terms(app, points, run_ids[0], weight)
    if st.toggle("Rate, speed, gradient and memory", key="distill.step_measures"):
        _step_measures(points, run_ids)


def _trust(app: App, points: list[Point], run_id: str) -> None:
    """What a student may lose while it learns: general skill, and trust in its answers; now and since the start."""
    asked = [p for p in points if p["run_id"] == run_id and p["split"] == "general"]
    general = [p["value"] for p in asked if p["name"] == "sequence_level_kd"]
    apart = [p["value"] for p in asked if p["name"] == "reverse_kl"]
    said = training_runs.trust(app, run_id)
    if not general and not said:
        return
    st.markdown("**Forgetting and trust**")
    with st.container(horizontal=True):
        if general:
            _change(
                "general questions",
                general,
                "{:.2f}",
                "nats a token on questions of no subject: more is forgetting",
            )
        if apart:
            _change(
                "from where it began",
                apart,
                "{:.3f}",
                "KL to its anchor, nats a token on the general questions; in rounds the start of round 1",
            )
        for name, (title, tip) in TRUST.items():
            if said:
                count = said[-1]["answers"]
                _change(title, [row[name] for row in said], "{:.0%}", f"{tip}, of {count} held-out questions")


def _change(title: str, values: list[float], form: str, tip: str) -> None:
    """The last value with its distance from the first; more is worse."""
    grown = values[-1] - values[0]
    delta = form.format(grown) if len(values) > 1 and round(grown, 3) else None
    st.metric(title, form.format(values[-1]), delta=delta, delta_color="inverse", border=True, help=tip)


def _loss(points: list[Point], run_ids: list[str], weight: float, log_scale: bool) -> None:
    """The training loss; a click on a point of the first run opens the rows of that step."""
    figure = charts.loss_curves(points, run_ids, weight, log_scale)
    # A click selects only where one point is nearest, and not in the modes that draw a box.
    figure.update_layout(dragmode="pan", hovermode="closest")
    event: Any = st.plotly_chart(figure, key="curve-loss", config=NO_BAR, on_select="rerun", selection_mode="points")
    picked = [int(point["x"]) for point in event["selection"]["points"] if point["curve_number"] < 2]
    st.caption("Click a point to see the rows of that step.")
    if state.is_new("curve-loss", picked) and picked:  # nothing picked is news too: the same point may come again
        state.set_params(see="rows", step=picked[0])
        st.rerun()


def _terms(app: App, points: list[Point], run_id: str, weight: float) -> None:
    """Loss and share of the gradient of each term of a recipe that has several."""
    config = app.run_dir(run_id).config()
    names = [part["loss"].replace("_", " ") for part in config["slices"]]
    inner = (config.get("similarity") or {}).get("loss", "none")
    if len(names) < 2 and inner == "none":
        return
    left, right = st.columns(2)
    if len(names) > 1:
        left.plotly_chart(charts.slice_curves(points, run_id, names, weight), key="curve-slices", config=NO_BAR)
    share = "pull" if any(p["name"].startswith("pull/") for p in points) else "gradient_share"  # until 0.2.0
    terms = {f"{share}/slice{number}": f"{number + 1}: {name}" for number, name in enumerate(names)}
    terms |= {f"{share}/similarity": inner.replace("_", " ")} if inner != "none" else {}
    if any(p["name"] in terms for p in points):  # told at evaluations only
        right.plotly_chart(charts.gradient_shares(points, run_id, terms), key="curve-gradient_shares", config=NO_BAR)


def _step_measures(points: list[Point], run_ids: list[str]) -> None:
    there = {p["name"] for p in points if p["split"] == "train"}
    columns = st.columns(2)
    for place, name in enumerate(name for name in GAUGES if name in there):
        title, unit = GAUGES[name]
        columns[place % 2].plotly_chart(
            charts.train_curve(points, run_ids, name, title, unit), key=f"curve-{name}", config=NO_BAR
        )


def _latest(held: list[Point], run_id: str) -> None:
    with st.container(horizontal=True):
        for measure in in_order(p["name"] for p in held):
            values = [p["value"] for p in held if p["run_id"] == run_id and p["name"] == measure.name]
            if values:
                st.metric(
                    measure.title,
                    measure.form.format(values[-1]),
                    delta=None if len(values) < 2 else measure.form.format(values[-1] - values[0]),
                    delta_color="normal" if measure.more_is_better else "inverse",
                    border=True,
                )
