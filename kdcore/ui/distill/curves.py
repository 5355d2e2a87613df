"""A training run on the Distill page: live curves, the rows of its steps, what its student says."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.evaluate.measures import Measure, in_order
from kdcore.records.runs import Point
from kdcore.services import names, standing
from kdcore.services.distill import runs as training_runs
from kdcore.services.workspace import App
from kdcore.ui import charts, frame, state
from kdcore.ui.distill import reward_model as reward_panel
from kdcore.ui.distill.recipe import report
from kdcore.ui.distill.training_chart import Look, spikes, training_chart
from kdcore.ui.labels import escape, short
from kdcore.ui.safe_html import safe_html, strong_html

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
HEIGHT = 500  # pixels in a window of 720; the style lets it grow with the window
CURVES_POLL_S = 3.0  # drawing them takes time from a training on the same machine
NO_BAR = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}
VIEWS = {
    "curves": ":material/show_chart: Curves",
    "rows": ":material/table_rows: Rows",
    "answers": ":material/chat: What it says",
    "compare": ":material/leaderboard: Sweeps",
    "take": ":material/download: Download",
    "new": ":material/add: New run",
    "rounds": ":material/autorenew: Rounds",
}


def curves_panel(app: App, project_id: str, run_id: str, others: list[str]) -> None:
    """The curves, redrawn while the run is active; they come from the store, so a refresh keeps them."""
    frame.while_active(app, run_id, lambda: _curves(app, project_id, [run_id, *others]), CURVES_POLL_S)
    reward_panel.reward_figures(app, run_id)
    with st.expander("Recipe and check of this run", icon=":material/description:"):
        report(training_runs.preflight_report(app, run_id) or {})
        st.json(app.run_dir(run_id).config(), expanded=False)


def _curves(app: App, project_id: str, run_ids: list[str]) -> None:
    points = training_runs.curves(app, run_ids)
    if not points:
        st.info("The first point comes with the first step.", icon=":material/show_chart:")
        return
    known = names.of_project(app, project_id)
    runs = {run_id: known[run_id] for run_id in run_ids if run_id in known}
    held = [p for p in points if p["split"] == "heldout"]
    left, right = st.columns([16, 7], gap="small")
    with right, st.container(key="side", height=HEIGHT, border=False, gap="small"):
        _says_now(app, run_ids[0])
        measure = _measure(held)
        _latest(held, run_ids[0])
        look = _look()
        _spikes(points, run_ids[0], known[run_ids[0]].name)
    with left, st.container(key="curves", height=HEIGHT, border=False):
        _both(points, runs, measure, look)
    _trust(app, points, run_ids[0])
    _terms(app, points, run_ids[0], look.weight)
    if st.toggle("Rate, speed, gradient and memory", key="distill.step_measures"):
        _step_measures(points, runs)


def _both(points: list[Point], runs: dict[str, names.Named], measure: Measure | None, look: Look) -> None:
    """Loss and measure; a click on a point of the first run opens the rows of that step."""
    event: Any = st.plotly_chart(
        training_chart(points, runs, measure, look),
        key="curve-loss",
        config=NO_BAR,
        on_select="rerun",
        selection_mode="points",
        height="stretch",
        alt="Training loss above, a measure on the held-out rows below, by step",
    )
    picked = sorted({int(point["x"]) for point in event["selection"]["points"]})[:1]
    if state.is_new("curve-loss", picked) and picked:  # nothing picked is news too: the same point may come again
        state.set_params(see="rows", step=picked[0])
        st.rerun()


def _says_now(app: App, run_id: str) -> None:
    """The newest answer to the first held-out question, and what was said before any training."""
    said = standing.says_now(app, run_id)
    if said is None:
        st.caption("What it says stands here after the first evaluation.")
        return
    now, first = said
    last = now["step"]
    st.caption(f"What it says now, after step {last}")
    st.html(strong_html(now["question"] or ""))
    st.html(safe_html(now["completion"]) or "<i>nothing</i>")
    if first["step"] != last:
        before = "Before training it said" if first["step"] == 0 else f"After step {first['step']} it said"
        st.caption(f"{before}: {escape(short(first['completion'], 160)) or 'nothing'}")


def _measure(held: list[Point]) -> Measure | None:
    there = {measure.name: measure for measure in in_order(p["name"] for p in held)}
    if not there:
        st.caption("No held-out curve: this version has no held-out rows, or the first evaluation is still to come.")
        return None
    name = st.selectbox(
        "Measured on the held-out rows",
        list(there),
        format_func=lambda n: there[n].title[:1].upper() + there[n].title[1:],
        key="distill.measure",
        persist_state="session",
    )
    return there[name]


def _look() -> Look:
    with st.popover("How the curves are drawn", type="tertiary", icon=":material/tune:"):
        weight = st.slider("Smoothing", 0.0, 0.95, 0.6, 0.05, key="distill.smooth")
        log_scale = st.toggle("Logarithmic", key="distill.log")
        outliers = st.toggle("Let spikes set the scale", key="distill.outliers")
    return Look(weight, log_scale, outliers)


def _spikes(points: list[Point], run_id: str, name: str) -> None:
    """The highest step that stands out, what that means, and its rows."""
    for spike in spikes(*charts.series(points, run_id, "train", "loss"))[:1]:
        st.markdown(f"**Step {spike.step}: {spike.value:.3g} nats a token, {spike.usual:.3g} around it**")
        st.caption("Some row of this step surprised the student: a wrong answer, another language, broken text.")
        if st.button("See its rows", key="curve.spike", icon=":material/table_rows:"):
            state.set_params(see="rows", step=spike.step)
            st.rerun()


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


def _step_measures(points: list[Point], runs: dict[str, names.Named]) -> None:
    there = {p["name"] for p in points if p["split"] == "train"}
    columns = st.columns(2)
    for place, name in enumerate(name for name in GAUGES if name in there):
        title, unit = GAUGES[name]
        columns[place % 2].plotly_chart(
            charts.train_curve(points, runs, name, title, unit), key=f"curve-{name}", config=NO_BAR
        )


def _latest(held: list[Point], run_id: str) -> None:
    """Every measure as it stands, with its way since the first evaluation."""
    lines: list[str] = []
    for measure in in_order(p["name"] for p in held):
        values = [p["value"] for p in held if p["run_id"] == run_id and p["name"] == measure.name]
        if not values:
            continue
        line = f"{measure.title[:1].upper()}{measure.title[1:]}: **{measure.form.format(values[-1])}**"
        if len(values) > 1:
            better = (values[-1] > values[0]) == measure.more_is_better
            word = "better" if better else "worse"
            line += f", {word} than {measure.form.format(values[0])} at first" if values[-1] != values[0] else ""
        lines.append(line)
    st.caption("  \n".join(lines))
