"""The recipe of a training: data and loss of each slice, the student, the training; alone or as a sweep."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.distillation import (
    DistillConfig,
    PolicyConfig,
    SimilarityConfig,
    SliceConfig,
    StudentConfig,
)
from kdcore.configs.selection import All, ColumnIs, HasTag, HasVerdict, Selection
from kdcore.distill.losses import LOSSES
from kdcore.records.datasets import CountedVersion
from kdcore.records.runs import PreflightReport
from kdcore.services import names
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import runs as training_runs
from kdcore.services.distill import sweeps
from kdcore.services.workspace import App
from kdcore.ui import forms, frame, live, state
from kdcore.ui.distill import presets
from kdcore.ui.distill import terms as terms_panel
from kdcore.ui.labels import duration, escape, sentence

TRAINING = ["prompt", "epochs", "batch_size", "learning_rate", "max_length", "seed"]
MORE = [
    "max_steps",
    "warmup_ratio",
    "weight_decay",
    "max_grad_norm",
    "precision",
    "eval_every",
    "save_every",
    "general_rows",
    "shown_answers",
    "shown_tokens",
    "chunk_tokens",
]
BEGINNINGS = {"teacher_layers": "a thinner teacher", "model": "a model", "earlier": "an earlier student"}


def recipe(app: App, project_id: str, versions: list[CountedVersion]) -> None:
    """Data and loss for each slice, the student, the training; check, then start."""
    presets.choose()
    config = _config(app, project_id, versions)
    terms_panel.undecided(app, project_id, [part.dataset_id for part in config.slices])
    with st.container(horizontal=True):
        if st.button("Check the recipe", icon=":material/rule:", key="distill.check"):
            state.of_project()["distill.preflight"] = training_runs.start_preflight(app, project_id, config).run_id
        if st.button("Start training", type="primary", icon=":material/school:", key="distill.start"):
            run = training_runs.start_run(app, project_id, config)
            state.set_params(run=run.run_id, see=None, step=None)
            st.rerun()
        with frame.popover("Several runs", "sweep", ":material/grid_view:"):
            _sweep(app, project_id, config)
    if "distill.preflight" in state.of_project():
        _preflight_panel(app, state.of_project()["distill.preflight"])


def _config(app: App, project_id: str, versions: list[CountedVersion]) -> DistillConfig:
    data, student_column, training = st.columns(3)
    with data:
        st.markdown("**Data and loss**")
        count = int(
            st.number_input(
                "Slices", 1, 8, 1, help="Each slice is a dataset version with its own loss", key="distill.slices"
            )
        )
        slices = [_slice(app, versions, number, alone=count == 1) for number in range(count)]
    with student_column:
        st.markdown("**Student**")
        name = st.text_input("Name", value="Student", key="distill.name")
        student = _begins(app, project_id)
        student |= forms.draw(StudentConfig, "student", ["adapter"])
        if student["adapter"] != "full":
            student |= forms.draw(StudentConfig, "student", ["lora_rank", "lora_alpha"])
        with st.expander("Inner states too", icon=":material/layers:"):
            similarity = forms.draw(SimilarityConfig, "similarity", ["loss"])
            if similarity["loss"] != "none":
                similarity |= forms.draw(SimilarityConfig, "similarity", ["weight", "layers"])
                st.caption("A copy of the teacher sits in memory beside the student.")
    with training:
        st.markdown("**Training**")
        values = forms.draw(DistillConfig, "distill", TRAINING)
        policy: dict[str, Any] = {}
        if LOSSES[slices[0]["loss"]].kind == "policy":
            policy = _policy(app, project_id)
            values |= forms.draw(DistillConfig, "distill", ["rollout_tokens"])
        elif all(part.get("targets") == "live" for part in slices):
            values |= forms.draw(DistillConfig, "distill", ["on_policy"])
            if values["on_policy"]:
                values |= forms.draw(DistillConfig, "distill", ["rollout_tokens", "replay", "rollouts"])
        with st.expander("More", icon=":material/tune:"):
            values |= forms.draw(DistillConfig, "distill", MORE)
            measured = LOSSES[slices[0]["loss"]].kind not in ("reward", "label") and values["general_rows"]
            if (
                student["init"] == "model"
                and measured
                and st.toggle(
                    "Measure how far it goes from where it began",
                    key="distill.anchored",
                    help="KL to the untrained student on the general questions, at each evaluation",
                )
            ):
                values["anchor"] = student["model"]
    return forms.load(
        DistillConfig,
        {"name": name, "slices": slices, "student": student, "similarity": similarity, "policy": policy, **values},
    )


def _policy(app: App, project_id: str) -> dict[str, Any]:
    """What the student's own answers earn."""
    known = training_runs.reward_models(app, project_id)
    values = forms.draw(PolicyConfig, "policy", ["reward", "answers", "kl"])
    if values["reward"] == "reward_model":
        if not known:
            st.info("There is no reward model yet: train one with the loss reward model.", icon=":material/info:")
        values["reward_run"] = st.selectbox("Reward model", list(known), format_func=known.__getitem__) or ""
    return values


def _begins(app: App, project_id: str) -> dict[str, Any]:
    """What the student is before it learns; an earlier student is trained further."""
    earlier = {
        run_id: name
        for run_id, name in names.called(app, project_id, "distill").items()
        if training_runs.has_student(app, run_id)
    }
    ways = {name: words for name, words in BEGINNINGS.items() if name != "earlier" or earlier}
    init = st.selectbox("Starts as", list(ways), format_func=ways.__getitem__, key="student.init")
    if init == "earlier":
        run_id = st.selectbox(
            "Earlier student", list(earlier), format_func=earlier.__getitem__, key="student.earlier"
        )
        return {"init": "model", "model": run_id}
    field = "keep_layers" if init == "teacher_layers" else "model"
    return {"init": init, **forms.draw(StudentConfig, "student", [field])}


def _slice(app: App, versions: list[CountedVersion], number: int, *, alone: bool) -> dict[str, Any]:
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
    if LOSSES[loss].kind == "reward":
        st.caption("It needs rows with two answers, and a model to begin from.")
    elif LOSSES[loss].kind == "label":
        st.caption("It needs a version of label_and_explain and an encoder, such as minilm-l6-v2, as the model.")
    elif LOSSES[loss].kind == "ranking":
        needs = "It needs rows with two answers: pairs of a feedback method, or answers that people mended."
        unary = " Or a version that was frozen with its rejected answers." if LOSSES[loss].unary else ""
        st.caption(needs + unary)
    if not alone:
        values["weight"] = st.number_input(f"Weight {number + 1}", 0.01, 100.0, 1.0, key=f"weight-{number}")
    with st.expander("More about this slice", icon=":material/tune:"):
        some = st.toggle("Only some of its rows", key=f"some-{number}")
        narrowed = _narrowed(dataset_versions.labels(app, version), f"{number}-{version}") if some else []
        if narrowed:
            values["selection"] = narrowed[0] if len(narrowed) == 1 else All(parts=tuple(narrowed))
        values |= forms.draw(SliceConfig, f"slice-{number}", ["rows"])
        own = LOSSES[loss].config
        values["loss_config"] = forms.draw(own, f"slice-{number}.{loss}", list(own.model_fields))
        if LOSSES[loss].compares:
            values |= forms.draw(SliceConfig, f"slice-{number}", ["targets"])
            further = ["temperature"] if values["targets"] == "live" else ["focus", "teachers"]
            further += ["tail"] if LOSSES[loss].sampled_tail and values["targets"] == "stored" else []
            values |= forms.draw(SliceConfig, f"slice-{number}", further)
    return values


def _narrowed(labels: dict[str, list[str]], key: str) -> list[Selection]:
    """Which of the version's training rows: by topic, by teacher, by tag, by a pick."""
    parts: list[Selection] = []
    if topics := st.multiselect("Only these topics", labels["topics"], placeholder="all", key=f"topics-{key}"):
        parts.append(ColumnIs(column="topic", op="in", values=tuple(topics)))
    if len(labels["teachers"]) > 1 and (
        teachers := st.multiselect("Only these teachers", labels["teachers"], placeholder="all", key=f"by-{key}")
    ):
        parts.append(ColumnIs(column="teacher", op="in", values=tuple(teachers)))
    if labels["tags"] and (tag := st.selectbox("Only this tag", labels["tags"], index=None, key=f"tag-{key}")):
        parts.append(HasTag(tag=tag))
    if labels["picks"] and (pick := st.selectbox("Only this pick", labels["picks"], index=None, key=f"pick-{key}")):
        parts.append(HasVerdict(verdict_kind="pick", filter=pick, passed=True))
    return parts


def _sweep(app: App, project_id: str, config: DistillConfig) -> None:
    """The same recipe under several losses, budgets and seeds, one training after the other."""
    st.caption("Each combination becomes one training; they run one after the other and are compared below.")
    losses = st.multiselect(
        "Losses" if len(config.slices) == 1 else "Losses of the first slice",
        list(LOSSES),
        placeholder="as in the recipe",
        format_func=lambda n: n.replace("_", " "),
        key="sweep.losses",
    )
    seeds = st.text_input("Seeds", "0, 1, 2", key="sweep.seeds", help="Three or more give an interval")
    budgets = st.text_input("Training rows", "0", key="sweep.rows", help="Such as 50, 100, 0; 0 takes all")
    picks = dataset_versions.labels(app, config.slices[0].dataset_id)["picks"]
    draws: list[str] = []
    if picks:
        draws = st.multiselect(
            "Rows are drawn",
            ["", *picks],
            placeholder="by chance",
            format_func=lambda pick: pick or "by chance",
            key="sweep.draws",
            help="With fewer training rows: by the seed, or the first of a pick; both to compare them",
        )
    with frame.guard():
        plan: dict[str, Any] = {
            "draws": draws,
            "losses": losses,
            "seeds": sweeps.whole_numbers("Seeds", seeds),
            "rows": sweeps.whole_numbers("Training rows", budgets),
        }
        count = len(sweeps.plan(config, **plan, sweep=""))
        if st.button(f"Start {count} trainings", type="primary", key="sweep.start", icon=":material/playlist_add:"):
            first = sweeps.start(app, project_id, config, **plan)[0]
            state.set_params(run=first, see="compare")
            frame.close_popover("sweep")
            st.rerun()


def _preflight_panel(app: App, run_id: str) -> None:
    @st.fragment(run_every=1.0 if live.is_active(app.status(run_id)) else None)
    def panel() -> None:
        with frame.guard():
            status = app.status(run_id)
            live.rerun_when_ended(run_id, status)
            if live.is_active(status) or status.state == "failed":
                live.status_line(run_id, status)
                return
            report(training_runs.preflight_report(app, run_id) or {})

    panel()


def report(found: PreflightReport) -> None:
    """The findings of a check in words."""
    for text in found.get("blocks", []):
        st.error(f"Can't start: {escape(text)}.", icon=":material/block:")
    for text in found.get("warnings", []):
        st.warning(f"{sentence(text)}.", icon=":material/warning:")
    with st.container(horizontal=True):
        st.metric("training rows", found.get("rows", 0), border=True)
        st.metric("supervised tokens", f"{found.get('supervised_tokens', 0):,}", border=True)
        st.metric("with top-k", found.get("with_topk", 0), border=True)
        st.metric("steps", found.get("steps", 0), border=True)
        if memory := found.get("memory_gb"):
            st.metric("memory", f"{memory:.1f} of {found.get('free_gb', 0):.0f} GB", border=True)
            st.metric("time", duration(found.get("forecast_s", 0)), border=True)
        if disk := found.get("disk_gb"):
            st.metric("disk", f"{disk:.1f} of {found.get('disk_free_gb', 0):.0f} GB", border=True)
    if base := found.get("baseline"):
        words = {"forward_kl": "forward KL", "reverse_kl": "reverse KL", "top1": "same next word"}
        there = [f"{text} {base[name]:.3f}" for name, text in words.items() if name in base]
        there = there or [f"loss on the text {base['sequence_level_kd']:.3f}"]
        st.caption(f"Untrained student, held-out: {' · '.join(there)}. This is what there is to learn.")
    if fits := found.get("fits"):
        with st.expander("How student and teacher fit", icon=":material/join_inner:"):
            st.dataframe(
                [
                    {
                        "": "✓" if fit["same"] else "≠",
                        "what": fit["what"],
                        "student": fit["student"],
                        "teacher": fit["teacher"],
                        "what follows": "" if fit["same"] else fit["means"],
                    }
                    for fit in fits
                ],
                hide_index=True,
            )
    if first := found.get("first_batch"):
        with st.expander("The first rows as the student sees them", icon=":material/visibility:"):
            for row in first:
                st.caption("Reads (not trained on)")
                st.code(row["reads"], language=None, wrap_lines=True)
                way = "Learns to avoid" if row.get("undesirable", row.get("bad")) else "Learns"
                st.caption(f"{way} ({row['supervised']} tokens{', with top-k' if row['topk'] else ''})")
                st.code(row["learns"], language=None, wrap_lines=True)
                for text in row.get("worse") or []:
                    st.caption("Worse than that")
                    st.code(text, language=None, wrap_lines=True)
