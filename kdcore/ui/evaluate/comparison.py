"""Panels of the Evaluate page: figures with intervals, answers side by side, one question to all three."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.services.evaluate import comparison
from kdcore.services.explore import samples as explore_samples
from kdcore.services.workspace import App
from kdcore.ui import charts, frame, state
from kdcore.ui.labels import escape, short
from kdcore.ui.safe_html import safe_html

FIGURES = (
    ("perplexity", "Perplexity", "on the teacher's text, lower is better"),
    ("forward_kl", "KL to the teacher", "nats a token, lower is better"),
    ("top1", "Same next word", "as the teacher, higher is better"),
    ("rouge_l", "ROUGE-L", "of the answers, higher is better"),
)
ROLES = ("base", "student", "teacher")
SHOWN = 10


def new_run(app: App, students: list[str]) -> None:
    """Choose a student and how many held-out rows."""
    wanted = state.param("train")
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    student = left.selectbox("Student", students, index=students.index(wanted) if wanted in students else 0)
    items = middle.number_input("Held-out rows", 1, 10_000, 64, help="At most; fewer if the version holds fewer")
    if right.button("Compare", type="primary", icon=":material/compare_arrows:", key="evaluate.start"):
        state.set_params(run=comparison.start_run(app, student, max_items=int(items)).run_id)
        st.rerun()


def run_panel(app: App, project_id: str, run_id: str) -> None:
    """One comparison as it happens."""
    frame.run_panel(app, run_id, lambda: _figures(comparison.summary(app, run_id)))
    with frame.guard():
        _side_by_side(app, project_id, comparison.worst_first(app, run_id))


def _figures(summary: dict[str, Any]) -> None:
    if not summary:
        st.info("The first figures come with the first answers.", icon=":material/bar_chart:")
        return
    for place, (name, title, note) in zip(st.columns(len(FIGURES)), FIGURES, strict=True):
        place.plotly_chart(
            charts.interval_bars(summary, name, title, note), key=f"figure-{name}", config={"displayModeBar": False}
        )
    n = max(m["n"] for measures in summary.values() for m in measures.values())
    st.caption(
        f"Means over {n:.0f} held-out rows with 95 % bootstrap intervals. The base is the student before training."
    )


def _side_by_side(app: App, project_id: str, rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    st.subheader("Answers, the student's worst first", anchor=False)
    page = state.number("page")
    for row in rows[page * SHOWN : (page + 1) * SHOWN]:
        student = row["measures"].get("student", {})
        title = escape(short(row["question"] or row["sample_id"], 100))
        distance = f" · KL {student['forward_kl']:.2f}" if "forward_kl" in student else ""
        with st.expander(f"{title}{distance}", icon=":material/quiz:"):
            columns = st.columns(len(ROLES) + 1)
            columns[0].caption("Reference")
            columns[0].html(safe_html(row["reference"] or ""))
            for role, place in zip(ROLES, columns[1:], strict=True):
                place.caption(role)
                place.html(safe_html(row["answers"].get(role, "…")))
            with st.container(horizontal=True):
                frame.link("Explore", "Open the sample", sample=row["sample_id"])
                if st.button(
                    "Training rows like it", key=f"like-{row['sample_id']}", icon=":material/travel_explore:"
                ):
                    started = explore_samples.start_search(app, project_id, sample_id=row["sample_id"])
                    state.of_project()["explore.search"] = (*started, short(row["question"], 30))
                    st.switch_page(frame.PAGES["Explore"][0], query_params={"project": project_id})
    pages = -(-len(rows) // SHOWN)
    if pages > 1:
        chosen = int(st.number_input("Page", 1, pages, page + 1, key="evaluate.page"))
        if chosen - 1 != page:
            state.set_params(page=chosen - 1 or None)
            st.rerun()


def ask(app: App, students: list[str]) -> None:
    """One question to base, student and teacher."""
    st.subheader("Ask all three", anchor=False)
    with st.form("ask", border=True):
        student = st.selectbox("Student", students, key="ask.student")
        question = st.text_area(
            "Question", height=80, placeholder="What does a cholesterol test measure?", key="ask.question"
        )
        if st.form_submit_button("Ask", icon=":material/send:"):
            with frame.guard():
                state.of_project()["evaluate.ask"] = comparison.ask_all(app, student, question)
                state.of_project().pop("evaluate.answers", None)
    if "evaluate.answers" in state.of_project():
        _answers(state.of_project()["evaluate.answers"])
    elif "evaluate.ask" in state.of_project():
        _ask_panel(app)


def _ask_panel(app: App) -> None:
    @st.fragment(run_every=1.0)
    def panel() -> None:
        with frame.guard():
            run_id, key = state.of_project()["evaluate.ask"]
            found = comparison.answers(app, run_id, key)
            if found is None:
                st.progress(0.0, text=f"{app.status(run_id).message or 'starting'}… three models load the first time")
                return
            state.of_project()["evaluate.answers"] = found
            del state.of_project()["evaluate.ask"]
            st.rerun()

    panel()


def _answers(found: dict[str, str]) -> None:
    for role, place in zip(ROLES, st.columns(len(ROLES)), strict=True):
        with place.container(border=True):
            st.caption(role)
            st.html(safe_html(found.get(role, "not on this machine") or "(no words)"))
