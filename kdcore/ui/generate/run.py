"""Panels of the Generate page: a new run with its forecast, and a run as it happens."""

from __future__ import annotations

import streamlit as st

from kdcore.configs.elicitation import BudgetConfig, PromptTemplate, TargetConfig
from kdcore.configs.selection import All, ColumnIs, to_url
from kdcore.configs.teacher import TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import Method
from kdcore.elicitation.requests import Prepared
from kdcore.filters import ONE_BY_ONE
from kdcore.records.projects import PromptVersion
from kdcore.services import governance, projects
from kdcore.services.elicit import programs
from kdcore.services.elicit import seeds as method_seeds
from kdcore.services.explore import samples as explore_samples
from kdcore.services.generate import forecast as forecasts
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App
from kdcore.ui import forms, frame, shell, state, teacher_form
from kdcore.ui.generate import views as run_views_panel
from kdcore.ui.labels import duration, escape, sentence, short, status_name

ASK_ABOVE_ROWS, ASK_ABOVE_S = 1000, 1800.0
SHOWN_PROGRAMS = 20
TRAINING = {
    "allow": ("training on these answers is allowed", st.caption),
    "allow_with_conditions": ("training on these answers is allowed under conditions", st.info),
    "deny_if_competing": ("training a competing model on these answers is forbidden", st.warning),
    "deny": ("training on these answers is forbidden", st.error),
    "unknown": ("nobody has looked up whether training on these answers is allowed", st.warning),
}


def new_run(app: App, project_id: str, versions: list[PromptVersion]) -> None:
    """Teacher, sampling, how many; the forecast and the teacher's terms before the start."""
    names = {v["prompt_version_id"]: f"{v['name']} v{v['version']}" for v in versions}
    left, right = st.columns(2)
    with left:
        version: str = st.selectbox("Prompt version", list(names), format_func=names.__getitem__) or ""
        template = PromptTemplate.model_validate(
            next(v["content"] for v in versions if v["prompt_version_id"] == version)
        )
        takes = METHODS[template.method].takes
        topics = sorted({r["topic"] for r in projects.seed_counts(app, project_id) if r["topic"]})
        wanted = [topic for topic in (state.param("topics"),) if topic in topics]
        chosen = st.multiselect("Topics", topics, default=wanted, placeholder="all topics")
        seeds = method_seeds.for_method(app, project_id, template.method, topics=chosen or None)
        if not seeds:
            st.warning(method_seeds.missing(template.method).capitalize())
        what = {"question": "questions", "document": "passages", "answers": "answers to work on"}[takes]
        most = max(1, len(seeds))
        rows = int(st.number_input(f"How many {what}", 1, most, most, help=f"{len(seeds)} are there"))
        target = _target()
    with right:
        teacher, sampling = teacher_form.choose(template.method)
        with st.expander("Budget", icon=":material/savings:"):
            budget = forms.load(BudgetConfig, forms.draw(BudgetConfig, "budget", list(BudgetConfig.model_fields)))
    _terms(app, project_id, teacher)
    ahead = forecasts.forecast(app, project_id, template, teacher, sampling, rows, target)
    money = f" · money {ahead['money']:.2f}" if ahead["money"] is not None else ""
    st.markdown(
        f"Forecast: **{ahead['requests']} requests**, about {ahead['tokens_out']:,} tokens, "
        f"**{duration(ahead['seconds'])}**{money}{_passes(ahead['passes'])}"
    )
    st.caption(f"Basis: {ahead['basis']}.")
    prepared = generation_runs.look(app, project_id, template, teacher, sampling, rows, chosen or None)
    for warning in prepared.warnings:
        st.warning(sentence(warning), icon=":material/warning:")
    _programs(app, project_id, METHODS[template.method], prepared)
    large = rows > ASK_ABOVE_ROWS or (ahead["seconds"] or 0) > ASK_ABOVE_S
    sure = st.checkbox("Yes, this is a large run", key="generate.sure") if large else True
    ready = sure and bool(seeds)
    if st.button("Start", type="primary", icon=":material/bolt:", disabled=not ready, key="generate.start"):
        run = generation_runs.start_run(
            app,
            project_id,
            version,
            teacher,
            sampling,
            rows=rows,
            topics=chosen or None,
            target=target,
            budget=budget,
        )
        state.set_params(run=run.run_id)
        st.rerun()


def _programs(app: App, project_id: str, method: Method, prepared: Prepared) -> None:
    """Programs of the person's own file, to be read and allowed before any of them runs."""
    found = programs.waiting(app, project_id, method, prepared.requests)
    if not found:
        return
    st.warning(
        f'The column "{method.code_column}" holds {len(found)} {"program" if len(found) == 1 else "programs"} that '
        "would run here, shut off from files and network. Read them first.",
        icon=":material/terminal:",
    )
    with st.expander("The programs"):
        for text in found[:SHOWN_PROGRAMS]:
            st.code(text, language="python")
        if len(found) > SHOWN_PROGRAMS:
            st.caption(f"{len(found) - SHOWN_PROGRAMS} more; kd allow-programs prints all of them.")
    if st.button("I have read them; they may run", key="generate.programs"):
        programs.allow(app, project_id, found, shell.reviewer())
        st.rerun()


def _passes(count: int | None) -> str:
    if count is None:
        return ", if each answer is usable"
    return f", in {count} passes over the seeds" if count > 1 else ""


def _target() -> TargetConfig:
    with st.expander("Exactly this many usable rows", icon=":material/target:"):
        values = forms.draw(TargetConfig, "target", ["rows", "per_topic", "max_similarity", "max_passes"])
        checks = st.multiselect(
            "A row counts when it passes",
            ONE_BY_ONE,
            format_func=lambda name: name.replace("_", " "),
            key="target.checks",
            persist_state="session",
        )
    return forms.load(TargetConfig, {**values, "checks": checks})


def _terms(app: App, project_id: str, teacher: TeacherConfig) -> None:
    """What the teacher's terms say of training, before anything is asked."""
    with frame.guard():
        terms = governance.refuse_zone(app, project_id, teacher)
        words, show = TRAINING[terms.entry.train]
        again = " This entry is older than half a year: read the terms again." if terms.stale else ""
        show(f"{escape(terms.entry.terms)}: {words}. {' '.join(terms.entry.conditions)}{again}")


def rows_of_run(app: App, project_id: str, run_id: str) -> None:
    """Status, funnel and rows of one run, redrawn while it is active; then what it amounts to."""

    def draw() -> None:
        _funnel(app, run_id)
        _rows(app, project_id, run_id)

    frame.while_active(app, run_id, draw)
    _go_on(app, run_id)
    run_views_panel.monitor(app, project_id, run_id)


def _go_on(app: App, run_id: str) -> None:
    """A run that spent its budget goes on with a larger one."""
    status = app.status(run_id)
    if status.state != "done" or "budget" not in status.message:
        return
    held = generation_runs.budget_of(app, run_id)
    with st.form(f"budget-{run_id}"):
        values = forms.draw(BudgetConfig, f"budget-{run_id}", list(BudgetConfig.model_fields), held)
        if st.form_submit_button("Go on with this budget", icon=":material/play_arrow:"):
            generation_runs.resume(app, run_id, forms.load(BudgetConfig, values))
            st.rerun()


def _funnel(app: App, run_id: str) -> None:
    funnel = generation_runs.funnel(app, run_id)
    counts = funnel["by_status"]
    with st.container(horizontal=True):
        st.metric("asked", funnel["requested"], border=True)
        st.metric("answered", funnel["answered"], border=True)
        if funnel["rows"] != funnel["answered"]:
            st.metric("rows made", funnel["rows"], border=True)
        wanted = f" of {funnel['target']}" if funnel["target"] else ""
        st.metric("usable", f"{counts.get('parsed', 0)}{wanted}", border=True)
        for name in ("screened", "truncated", "refused", "unparsed", "failed"):
            if counts.get(name):
                st.metric(status_name(name), counts[name], border=True)
        if funnel["waiting"]:
            st.metric("still to come", funnel["waiting"], border=True)
    if funnel["reasons"]:
        with st.expander("Why rows were lost", icon=":material/error:"):
            st.dataframe(funnel["reasons"], hide_index=True)
            if counts.get("failed") and st.button("Retry the failed rows", icon=":material/refresh:"):
                generation_runs.retry_failed(app, run_id)
                st.rerun()


def _rows(app: App, project_id: str, run_id: str) -> None:
    selection = All(parts=(ColumnIs(column="run_id", values=(run_id,)),))
    view = explore_samples.view(app, project_id, selection, 0, 15, "created", True)
    if view["rows"]:
        st.caption("Newest rows")
        st.dataframe(
            [
                {
                    "status": status_name(r["status"]),
                    "question": r["question"],
                    "answer": short(r["answer"] or r["completion"], 300),
                }
                for r in view["rows"]
            ],
            hide_index=True,
        )
        shell.link("Explore", "See them all on the map", filter=to_url(selection))
