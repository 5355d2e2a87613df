"""One sample as a person reads it, with every ancestor and descendant one click away."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import streamlit as st

from kdcore.records.decisions import Decision
from kdcore.records.rows import VerdictKey
from kdcore.records.samples import Sample, SampleLosses
from kdcore.records.trials import TrialCall
from kdcore.services import names
from kdcore.services.datasets import token_view
from kdcore.services.explore import samples as explore_samples
from kdcore.services.workspace import App
from kdcore.ui import frame, shell
from kdcore.ui.labels import DECISIONS, escape, short, status_name
from kdcore.ui.safe_html import marked, safe_html, strong_html, token_html, visible


def body(sample: Sample, *, edited: bool = True, looked_for: Sequence[str] = ()) -> None:
    """Question, answer, reasoning and source; model text is never HTML. ``looked_for`` are texts to mark."""
    question = sample.get("edited_question") or sample["question"]
    st.html(marked(strong_html(question), looked_for))
    answer = (sample.get("edited_answer") if edited else None) or sample["answer"] or sample["completion"]
    st.html(marked(safe_html(answer), looked_for))
    if sample["rationale"]:
        with st.expander("Reasoning", icon=":material/psychology:"):
            st.html(marked(safe_html(sample["rationale"]), looked_for))
    if sample["source"]:
        with st.expander("Source passage", icon=":material/menu_book:", expanded=True):
            st.html(marked(safe_html(sample["source"]), looked_for))
    carried(sample.get("extra") or {})
    with st.expander("As it is stored", icon=":material/data_object:"):
        st.code(f"{visible(question)}\n\n{visible(answer)}", language=None, wrap_lines=True)


def tags(sample: Sample) -> None:
    """Topic, reader, difficulty, status and decision as badges."""
    with st.container(horizontal=True):
        for label in (sample["topic"], sample["difficulty"], sample["reader"]):
            if label:
                st.badge(escape(short(label, 40)), color="gray")
        if sample["status"] != "parsed":
            st.badge(status_name(sample["status"]), icon=":material/error:", color="orange")
        icon, word = DECISIONS[sample.get("review") or Decision.PENDING]
        st.badge(word, icon=icon, color="blue")


def carried(extra: dict[str, Any]) -> None:
    """What a row carries besides question and answer: the other answer of a pair, turns, scores, a critique."""
    if extra.get("rejected"):
        st.caption(":material/thumb_down: Rejected answer")
        st.html(safe_html(str(extra["rejected"])))
    if extra.get("critique"):
        st.caption(":material/rate_review: Critique")
        st.html(safe_html(str(extra["critique"])))
    if extra.get("turns"):
        with st.expander(f"The talk, {len(extra['turns'])} turns", icon=":material/forum:"):
            for turn in extra["turns"]:
                st.caption(escape(turn["role"]))
                st.html(safe_html(turn["content"]))
    known = ("rejected", "chosen", "critique", "turns", "calls", "verdicts", "about", "first")
    rest = {key: value for key, value in extra.items() if key not in known and value not in ("", [], {}, None)}
    if rest:
        with st.expander("More about this row", icon=":material/data_object:"):
            st.json(rest, expanded=1)


def calls(asked: list[TrialCall]) -> None:
    """Every question to the teacher with its replies, in order."""
    for number, call in enumerate(asked, 1):
        st.caption(f"{number}. asked")
        st.code(call["messages"][-1]["content"], language=None, wrap_lines=True)
        for reply in call["replies"]:
            st.caption("answered")
            st.code(reply, language=None, wrap_lines=True)


def _learnt(losses: list[SampleLosses], run_id: str) -> str:
    """How a training run got on with the sample, slice by slice, in words."""
    words = ""
    for met in [entry for entry in losses if entry["run_id"] == run_id]:
        times = f"{met['times']} times" if met["times"] > 1 else "once"
        words += f" · met {times}, loss {met['first']:.2f}" + (f" → {met['last']:.2f}" if met["times"] > 1 else "")
    return words


def thread(app: App, sample_id: str) -> None:
    """The thread: prompt version → run → seed → datasets → trainings → evaluations."""
    full = explore_samples.sample(app, sample_id)
    line = full["lineage"]
    with st.container(border=True):
        st.caption("Thread of this sample")
        prompt = line["prompt"]
        if prompt:
            shell.link("Elicit", f"Prompt: {prompt['name']} v{prompt['version']}", prompt=prompt["prompt_version_id"])
        shell.link("Generate", names.of_run(app, full["run_id"]), run=full["run_id"])
        if full["parent"]:
            shell.link("Explore", "Grown from another row", sample=full["parent"])
        if line["seed"]:
            st.caption(f"Seed: {escape(short(line['seed']['text']))}")
        for dataset in line["datasets"]:
            name = f"Dataset: {dataset['name']} v{dataset['version']} ({dataset['split']})"
            shell.link("Datasets", name, dataset=dataset["dataset_id"])
        for run_id in line["trainings"]:
            shell.link(
                "Distill", f"Training: {names.of_run(app, run_id)}{_learnt(line['losses'], run_id)}", run=run_id
            )
        for run_id in sorted({e["run_id"] for e in line["evaluations"]}):
            shell.link("Evaluate", names.of_run(app, run_id), run=run_id)
    with st.expander("How sure the teacher was", icon=":material/thermometer:"), frame.guard():
        if st.toggle("Show the words", key=f"heat-{sample_id}"):
            found = token_view.tokens(app, sample_id)
            if found:
                st.html(token_html(found))
                st.caption("Darker, underlined: more doubt. Point at a word for its rank and what else was likely.")
            else:
                st.caption("No token probabilities are stored for this row.")
    with st.expander("Details", icon=":material/data_object:"):
        st.caption(
            f"{escape(full['teacher'])} · {full['completion_tokens']} tokens"
            f" · ended by {escape(full['finish_reason'])}"
            + (f" · entropy {full['entropy']:.2f} nats a token" if full["entropy"] is not None else "")
        )
        for verdict in line["verdicts"]:
            mark = ":material/check:" if verdict["passed"] else ":material/close:"
            name = VerdictKey(verdict["kind"], verdict["filter"]).text.replace("_", " ")
            st.markdown(f"{mark} {escape(name)} {escape(verdict['reason'] or '')}")
        for event in line["reviews"]:
            st.caption(f"{escape(event['reviewer'])}: {event['action']} {escape(event['note'] or '')}")
        if full["terms"]:
            st.caption(f"Terms of the teacher: {escape(full['terms'])}")
        if full["extra"].get("calls"):
            calls(full["extra"]["calls"])
        st.caption("The chat that the student learns from")
        st.code(json.dumps(full["messages"], ensure_ascii=False, indent=1), language="json", wrap_lines=True)
