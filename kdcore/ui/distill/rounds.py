"""Rounds on the Distill page: a student that makes its own data, round by round, and what tells that it collapses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import streamlit as st

from kdcore.configs.rounds import RoundsConfig
from kdcore.filters import USUAL
from kdcore.models import DEFAULT_TEACHER
from kdcore.services import names, projects
from kdcore.services.distill import rounds
from kdcore.services.distill import runs as training_runs
from kdcore.services.models import default_engine
from kdcore.services.workspace import App
from kdcore.ui import forms, frame, live, shell, state
from kdcore.ui.labels import sentence

STATES = {
    "running": ("run", "blue", ":material/autorenew:"),
    "done": ("ended", "green", ":material/check:"),
    "stopped": ("stopped", "grey", ":material/stop:"),
    "failed": ("failed", "red", ":material/error:"),
}
FIGURES = {
    "usable": ("usable rows", "{:.0f}"),
    "kl_to_start": ("KL to round 1", "{:.3f}"),
    "general_after": ("general questions, nats", "{:.2f}"),
    "distinct": ("distinct word pairs", "{:.0%}"),
    "spread": ("spread of the answers", "{:.2f}"),
    "words": ("words an answer", "{:.0f}"),
    "preferred": ("better answer likelier", "{:.0%}"),
    "margin": ("margin gained, nats", "{:.2f}"),
}


def rounds_panel(app: App, project_id: str) -> None:
    """The loops of a project, live; and the form that begins one."""
    loops = {loop.loop_id: loop for loop in rounds.list_loops(app, project_id)}
    if loops:
        words = _names(loops)
        _followed(app, state.choose("Rounds", list(loops), "rounds", words.__getitem__))
    with frame.popover("New rounds", "rounds", ":material/add:"):
        _new(app, project_id)


def _names(loops: Mapping[str, rounds.Loop]) -> dict[str, str]:
    """Loops by the names that they were given; of those named alike the later ones are numbered."""
    times, words = Counter[str](), dict[str, str]()
    for loop_id, loop in sorted(loops.items()):
        times[loop.config.name] += 1
        words[loop_id] = loop.config.name + (f" ({times[loop.config.name]})" if times[loop.config.name] > 1 else "")
    return words


def _new(app: App, project_id: str) -> None:
    versions = [v for v in projects.prompt_versions(app, project_id) if rounds.usual_loss(v["method"])]
    if not versions:
        st.info("Rounds need a prompt version of a self-knowledge method.", icon=":material/info:")
        shell.link("Elicit", "Save one")
        return
    asks = {
        v["prompt_version_id"]: f"{v['name']} v{v['version']} · {v['method'].replace('_', ' ')}" for v in versions
    }
    prompt = st.selectbox("How it is asked", list(asks), format_func=asks.__getitem__, key="rounds.prompt")
    method = next(v["method"] for v in versions if v["prompt_version_id"] == prompt)
    students = {
        run_id: name
        for run_id, name in names.called(app, project_id, "distill").items()
        if training_runs.has_student(app, run_id)
    }
    known = {**students, DEFAULT_TEACHER: "the built-in model"}
    begin = st.selectbox("Student of round 1", list(known), format_func=known.__getitem__, key="rounds.start")
    values = forms.draw(
        RoundsConfig, "rounds", ["name", "rounds", "rows", "epochs", "learning_rate", "begin", "max_kl_to_start"]
    )
    checks = st.multiselect("Checks that an answer must pass", list(USUAL), default=list(USUAL), key="rounds.checks")
    loss = rounds.usual_loss(method)
    st.caption(f"What it makes is learnt by {loss.replace('_', ' ')}.")
    with frame.guard():
        if st.button("Begin", type="primary", icon=":material/play_arrow:", key="rounds.begin-now"):
            given: dict[str, Any] = {"prompt_version_id": prompt, "start": begin, "checks": checks, "loss": loss}
            config = forms.load(RoundsConfig, {**values, **given, "engine": default_engine()[0]})
            state.set_params(rounds=rounds.start(app, project_id, config).loop_id)
            frame.close_popover("rounds")
            st.rerun()


def _followed(app: App, loop_id: str) -> None:
    """One loop, redrawn while it goes on."""

    @st.fragment(run_every=live.POLL_S if rounds.load(app, loop_id).state == "running" else None)
    def panel() -> None:
        with frame.guard():
            _draw(app, rounds.load(app, loop_id))

    panel()


def _draw(app: App, loop: rounds.Loop) -> None:
    word, colour, icon = STATES[loop.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(word, icon=icon, color=colour)  # pyright: ignore[reportArgumentType]
        st.caption(f"Round {len(loop.rounds)} of {loop.config.rounds}. {sentence(loop.message)}")
        if loop.state == "running" and st.button("Stop", key=f"stop-{loop.loop_id}", icon=":material/stop:"):
            rounds.stop(app, loop.loop_id)
            st.rerun()
        if loop.state in ("stopped", "failed") and st.button(
            "Go on", key=f"on-{loop.loop_id}", icon=":material/play_arrow:"
        ):
            rounds.go_on(app, loop.loop_id)
            st.rerun()
    if loop.state == "running" and loop.active_run:
        live.status_line(loop.active_run, app.status(loop.active_run))
    if loop.rounds:
        st.dataframe([_row(each) for each in loop.rounds], hide_index=True)
        _links(loop.rounds[-1])
    if alarms := [each.figures["alarm"] for each in loop.rounds if each.figures.get("alarm")]:
        st.warning(f"{sentence(alarms[-1])}.", icon=":material/warning:")


def _row(each: rounds.Round) -> dict[str, Any]:
    figures = {**each.figures, **each.figures.get("heldout", {})}
    told = {
        title: form.format(figures[name]) for name, (title, form) in FIGURES.items() if figures.get(name) is not None
    }
    return {"round": each.number, "asked": each.model, **told, "trained": each.train}


def _links(last: rounds.Round) -> None:
    with st.container(horizontal=True):
        shell.link("Generate", "What it was asked", run=last.generate)
        if last.dataset:
            shell.link("Datasets", "What it learns from", dataset=last.dataset)
        if last.train:
            shell.link("Distill", "How it trains", run=last.train)
