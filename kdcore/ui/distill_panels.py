"""Panels of the Distill page: the recipe with its check, and live curves."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.distillation import DistillConfig, SliceConfig, StudentConfig
from kdcore.configs.selection import ColumnIs
from kdcore.distill.losses import LOSSES
from kdcore.services import datasets, distillation
from kdcore.services.app import App
from kdcore.ui import charts, forms, frame, live, state
from kdcore.ui.words import duration

TRAINING = ["epochs", "batch_size", "learning_rate", "max_length", "seed"]
MORE = [
    "max_steps",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "precision",
    "eval_every",
    "save_every",
    "chunk_tokens",
]
OWN_FIELDS = {"generalized_jsd": ["beta"], "skew_kl": ["alpha"], "skew_reverse_kl": ["alpha"]}
# what is measured on the held-out rows → (title of its curve, unit, form of a figure, whether more is better)
MEASURES = {
    "forward_kl": ("distance to the teacher (forward KL)", "nats a token", "{:.3f}", False),
    "reverse_kl": ("distance from the teacher (reverse KL)", "nats a token", "{:.3f}", False),
    "generalized_jsd": ("Jensen-Shannon distance", "nats a token", "{:.3f}", False),
    "sequence_level_kd": ("loss on the teacher's text", "nats a token", "{:.3f}", False),
    "top1": ("same next word", "share of words", "{:.0%}", True),
    "top5": ("the teacher's word among the first five", "share of words", "{:.0%}", True),
}
NO_BAR = {"displaylogo": False, "modeBarButtonsToRemove": ["select2d", "lasso2d"]}


def recipe(app: App, project_id: str, versions: list[dict[str, Any]]) -> None:
    """Data and loss for each slice, the student, the training; check, then start."""
    config = _config(app, versions)
    with st.container(horizontal=True):
        if st.button("Check the recipe", icon=":material/rule:", key="distill.check"):
            st.session_state["distill.preflight"] = distillation.start_preflight(app, project_id, config).run_id
        if st.button("Start training", type="primary", icon=":material/school:", key="distill.start"):
            run = distillation.start_run(app, project_id, config)
            state.set_params(run=run.run_id)
            st.rerun()
    if "distill.preflight" in st.session_state:
        _preflight_panel(app, st.session_state["distill.preflight"])


def _config(app: App, versions: list[dict[str, Any]]) -> DistillConfig:
    data, student_column, training = st.columns(3)
    with data:
        st.markdown("**Data and loss**")
        count = int(st.number_input("Slices", 1, 8, 1, help="Each slice is a dataset version with its own loss"))
        slices = [_slice(app, versions, number, alone=count == 1) for number in range(count)]
    with student_column:
        st.markdown("**Student**")
        name = st.text_input("Name", value="Student", key="distill.name")
        init = st.segmented_control(
            "Starts as",
            ["teacher_layers", "model"],
            format_func={"teacher_layers": "a thinner teacher", "model": "a model"}.__getitem__,
            default="teacher_layers",
            required=True,
        )
        fields = ["keep_layers"] if init == "teacher_layers" else ["model"]
        student = forms.draw(StudentConfig, "student", [*fields, "adapter"])
        if student["adapter"] == "lora":
            student |= forms.draw(StudentConfig, "student", ["lora_rank", "lora_alpha"])
    with training:
        st.markdown("**Training**")
        values = forms.draw(DistillConfig, "distill", TRAINING)
        if all(part.get("targets") == "live" for part in slices):
            values |= forms.draw(DistillConfig, "distill", ["on_policy"])
            if values["on_policy"]:
                values |= forms.draw(DistillConfig, "distill", ["rollout_tokens"])
        with st.expander("More", icon=":material/tune:"):
            values |= forms.draw(DistillConfig, "distill", MORE)
    return forms.load(DistillConfig, {"name": name, "slices": slices, "student": {"init": init, **student}, **values})


def _slice(app: App, versions: list[dict[str, Any]], number: int, *, alone: bool) -> dict[str, Any]:
    """One term of the sum: version, loss and what that loss can be told."""
    names = {
        v["dataset_id"]: f"{v['name']} v{v['version']} · {v['train']} train, {v['heldout']} held out"
        for v in versions
    }
    ids = list(names)
    wanted = state.param("dataset")
    version: str = (
        st.selectbox(
            f"Version {number + 1}",
            ids,
            index=ids.index(wanted) if wanted in ids else 0,
            format_func=names.__getitem__,
            key=f"slice-{number}",
        )
        or ids[0]
    )
    loss: str = st.selectbox(
        f"Loss {number + 1}",
        list(LOSSES),
        index=list(LOSSES).index("forward_kl"),
        format_func=lambda n: n.replace("_", " "),
        key=f"loss-{number}",
    )
    st.caption(f"{LOSSES[loss].summary}.")
    values: dict[str, Any] = {"dataset_id": version, "loss": loss}
    if not alone:
        values["weight"] = st.number_input(f"Weight {number + 1}", 0.01, 100.0, 1.0, key=f"weight-{number}")
    with st.expander("More about this slice", icon=":material/tune:"):
        topics = st.multiselect(
            "Only these topics",
            datasets.topics(app, version),
            placeholder="all topics",
            key=f"topics-{number}-{version}",
        )
        if topics:
            values["selection"] = ColumnIs(column="topic", op="in", values=tuple(topics))
        if LOSSES[loss].kind == "divergence":
            values |= forms.draw(SliceConfig, f"slice-{number}", ["targets", *OWN_FIELDS.get(loss, [])])
            if values["targets"] == "live":
                values |= forms.draw(SliceConfig, f"slice-{number}", ["temperature"])
    return values


def _preflight_panel(app: App, run_id: str) -> None:
    @st.fragment(run_every=1.0 if live.is_active(app.status(run_id)) else None)
    def panel() -> None:
        with frame.guard():
            status = app.status(run_id)
            live.rerun_when_ended(run_id, status)
            if live.is_active(status) or status.state == "failed":
                live.status_line(run_id, status)
                return
            report(distillation.preflight_report(app, run_id) or {})

    panel()


def report(found: dict[str, Any]) -> None:
    """The findings of a check in words."""
    for text in found.get("blocks", []):
        st.error(f"Can't start: {text}.", icon=":material/block:")
    for text in found.get("warnings", []):
        st.warning(f"{text}.", icon=":material/warning:")
    with st.container(horizontal=True):
        st.metric("training rows", found.get("rows", 0), border=True)
        st.metric("supervised tokens", f"{found.get('supervised_tokens', 0):,}", border=True)
        st.metric("with top-k", found.get("with_topk", 0), border=True)
        st.metric("steps", found.get("steps", 0), border=True)
        if found.get("memory_gb"):
            st.metric("memory", f"{found['memory_gb']:.1f} of {found['free_gb']:.0f} GB", border=True)
            st.metric("time", duration(found["forecast_s"]), border=True)
    if found.get("first_batch"):
        with st.expander("The first rows as the student sees them", icon=":material/visibility:"):
            for row in found["first_batch"]:
                st.caption("Reads (not trained on)")
                st.code(row["reads"], language=None, wrap_lines=True)
                st.caption(f"Learns ({row['supervised']} tokens{', with top-k' if row['topk'] else ''})")
                st.code(row["learns"], language=None, wrap_lines=True)


def run_panel(app: App, run_id: str, others: list[str]) -> None:
    """Status and curves, redrawn while the run is active; they come from the store, so a refresh keeps them."""
    frame.run_panel(app, run_id, lambda: _curves(app, [run_id, *others]), can_pause=True)
    with st.expander("Recipe and check of this run", icon=":material/description:"):
        report(distillation.preflight_report(app, run_id) or {})
        st.json(app.run_dir(run_id).config(), expanded=False)


def _curves(app: App, run_ids: list[str]) -> None:
    points = distillation.curves(app, run_ids)
    if not points:
        st.info("The first point comes with the first step.", icon=":material/show_chart:")
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        weight = st.slider("Smoothing", 0.0, 0.95, 0.6, 0.05, key="distill.smooth", width=220)
        log_scale = st.toggle("Logarithmic", key="distill.log")
    left, right = st.columns(2)
    left.plotly_chart(charts.loss_curves(points, run_ids, weight, log_scale), key="curve-loss", config=NO_BAR)
    held = [p for p in points if p["split"] == "heldout"]
    if held:
        there = {p["name"] for p in held}
        name: str = right.selectbox(
            "Measured on the held-out rows",
            [n for n in MEASURES if n in there],
            format_func=lambda n: MEASURES[n][0][:1].upper() + MEASURES[n][0][1:],
            key="distill.measure",
            persist_state="session",
        )
        title, unit, _, _ = MEASURES[name]
        right.plotly_chart(
            charts.heldout_curves(points, run_ids, name, f"Held-out {title}", unit),
            key="curve-heldout",
            config=NO_BAR,
        )
        _latest(held, run_ids[0])
    else:
        right.info("No held-out curve: this version has no held-out rows, or the first evaluation is still to come.")
    slices = [part["loss"].replace("_", " ") for part in app.run_dir(run_ids[0]).config()["slices"]]
    if len(slices) > 1:
        st.plotly_chart(charts.slice_curves(points, run_ids[0], slices, weight), key="curve-slices", config=NO_BAR)
    left, right = st.columns(2)
    left.plotly_chart(
        charts.train_curve(points, run_ids, "learning_rate", "Learning rate", ""), key="curve-lr", config=NO_BAR
    )
    right.plotly_chart(
        charts.train_curve(points, run_ids, "tokens_per_s", "Speed", "supervised tokens/s"),
        key="curve-speed",
        config=NO_BAR,
    )


def _latest(held: list[dict[str, Any]], run_id: str) -> None:
    with st.container(horizontal=True):
        for name, (title, _, form, more_is_better) in MEASURES.items():
            values = [p["value"] for p in held if p["run_id"] == run_id and p["name"] == name]
            if values:
                st.metric(
                    title,
                    form.format(values[-1]),
                    delta=None if len(values) < 2 else form.format(values[-1] - values[0]),
                    delta_color="normal" if more_is_better else "inverse",
                    border=True,
                )
