"""A trial on the Elicit page: a few rows of a warm teacher, with the settings and the code of the full run."""

from __future__ import annotations

import streamlit as st

from kdcore.configs.elicitation import PromptTemplate
from kdcore.records.trials import TrialOutcome
from kdcore.services.elicit import trial as trials
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App
from kdcore.ui import frame, sample_card, state, teacher_form
from kdcore.ui.labels import escape, sentence, status_name
from kdcore.ui.safe_html import safe_html, strong_html


def trial(app: App, project_id: str, template: PromptTemplate) -> None:
    """Ask a few rows of a warm teacher, with the full run's settings and code."""
    st.subheader("Try it", anchor=False)
    with st.expander("Teacher and sampling, as the full run will use them", icon=":material/smart_toy:"):
        teacher, sampling = teacher_form.choose(template.method)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        rows = st.segmented_control("Rows", [3, 10], default=3, key="elicit.rows", required=True) or 3
        if st.button("Ask the teacher", icon=":material/bolt:", key="elicit.try"):
            run_id, key, requests = trials.start(app, project_id, template, teacher, sampling, rows)
            state.of_project()["elicit.trial"] = (run_id, key, template, teacher, sampling, requests)
        if st.button("Suggest a better wording", icon=":material/auto_fix_high:", key="elicit.suggest"):
            state.of_project()["elicit.suggestion"] = trials.start_suggestion(
                app, project_id, template, teacher, sampling
            )
    for warning in generation_runs.look(app, project_id, template, teacher, sampling).warnings:
        st.warning(sentence(warning), icon=":material/warning:")
    if "elicit.suggestion" in state.of_project():
        _suggestion(app)
    if "elicit.trial" in state.of_project():
        _trial_panel(app)
    else:
        st.caption(
            f"Asks {escape(teacher.model)} with the settings of the full run, which does not pay for these replies "
            "again. The first answer takes up to a minute while the teacher loads; then it stays warm."
        )


def _suggestion(app: App) -> None:
    asked = state.of_project()["elicit.suggestion"]
    waiting = state.of_project().get("elicit.suggested") != asked

    @st.fragment(run_every=1.0 if waiting else None)
    def panel() -> None:
        with frame.guard(), st.container(border=True):
            found = trials.suggestion(app, *asked)
            if found is None:
                st.caption(f"Asking for a wording… {escape(app.status(asked[0]).message)}")
                return
            st.caption(
                "The teacher's suggestion for the system message. Copy it if it is better; nothing was changed."
            )
            st.code(found, language=None, wrap_lines=True)
            if waiting:
                state.of_project()["elicit.suggested"] = asked
                st.rerun()

    panel()


def _trial_panel(app: App) -> None:
    run_id, key, *asked = state.of_project()["elicit.trial"]
    waiting = state.of_project().get("elicit.trial_done") != key

    @st.fragment(run_every=1.0 if waiting else None)
    def panel() -> None:
        with frame.guard():
            results = trials.answer(app, run_id, key, *asked)
            if results is None:
                st.progress(0.0, text=f"{app.status(run_id).message or 'starting'}…")
                return
            rows = [row for result in results for row in result["rows"]]
            usable = sum(row["status"] == "parsed" for row in rows)
            st.caption(f"{usable} of {len(rows)} rows usable, from {len(results)} requests")
            for result in results:
                _trial_answer(result)
            if waiting:
                state.of_project()["elicit.trial_done"] = key
                st.rerun()

    panel()


def _trial_answer(result: TrialOutcome) -> None:
    for row in result["rows"]:
        with st.container(border=True):
            question = row["question"] or result["request"].variables.get("question") or ""
            st.html(strong_html(question or result["request"].messages[-1]["content"]))
            if row["status"] == "parsed":
                if row["rationale"]:
                    st.caption("Reasoning")
                    st.html(safe_html(row["rationale"]))
                    st.caption("Answer")
                st.html(safe_html(row["answer"]))
            else:
                st.warning(
                    f"{status_name(row['status']).capitalize()}: {escape(row['reason'])}", icon=":material/error:"
                )
                if row["text"]:
                    st.code(row["text"], language=None, wrap_lines=True)
            sample_card.carried(row["extra"])
    if len(result["calls"]) > 1:
        with st.expander(f"All {len(result['calls'])} questions to the teacher", icon=":material/forum:"):
            sample_card.calls(result["calls"])
