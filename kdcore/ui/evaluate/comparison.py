"""Panels of the Evaluate page: figures with intervals, answers side by side, one question to all."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.evaluate.measures import in_order
from kdcore.evaluate.statistics import Interval
from kdcore.records.runs import ComparedItem
from kdcore.services import standing
from kdcore.services.evaluate import comparison
from kdcore.services.workspace import App
from kdcore.ui import charts, frame, shell, state
from kdcore.ui.labels import escape, short
from kdcore.ui.safe_html import safe_html

COLUMNS = 4  # figures beside each other
SHOWN = 10


def new_run(app: App, students: dict[str, str]) -> None:
    """Choose students (run → name) and how many held-out rows; base and teacher are those of the first."""
    wanted = state.param("train")
    left, middle, right = st.columns([3, 1, 1], vertical_alignment="bottom")
    first = wanted if wanted in students else next(iter(students))
    chosen = left.multiselect(
        "Students",
        list(students),
        [first],
        format_func=students.__getitem__,
        key=state.own("evaluate.students"),
        help="One, or several side by side",
    )
    items = middle.number_input("Held-out rows", 1, 10_000, 64, help="At most; fewer if the version holds fewer")
    pressed = right.button(
        "Compare", type="primary", icon=":material/compare_arrows:", key="evaluate.start", disabled=not chosen
    )
    if pressed:
        asked = chosen[0] if len(chosen) == 1 else chosen
        state.set_params(run=comparison.start_run(app, asked, max_items=int(items)).run_id)
        st.rerun()


def figures_of_run(app: App, project_id: str, run_id: str) -> None:
    """One comparison as it happens."""

    def figures() -> None:
        _gap(app, run_id)
        _figures(comparison.summary(app, run_id))
        _differences(comparison.differences(app, run_id))

    frame.while_active(app, run_id, figures)
    with frame.guard():
        _side_by_side(app, project_id, run_id, comparison.worst_first(app, run_id))


def _gap(app: App, run_id: str) -> None:
    """In one sentence and a bar how far the student has come, and what it was shown."""
    share = standing.gap(app, run_id)
    if share is None:
        return
    way = f"**{max(0.0, share):.0%}** of the way from the untrained model to the teacher"
    text = f"The student has gone {way}." if share >= 0 else "The student is further from the teacher than before."
    if comparison.shown_the_question_alone(app, run_id):
        text += " It was shown the question alone; the teacher had its whole prompt."
    st.progress(min(1.0, max(0.0, share)), text=text)


def _differences(found: dict[str, dict[str, Interval]]) -> None:
    """What each candidate differs by from the base, row for row: an interval without 0 tells them apart."""
    known = in_order(name for measures in found.values() for name in measures)
    if not known:
        return
    with st.expander("How far each lies from the base, row for row", icon=":material/difference:"):
        table = [
            {"candidate": label} | {m.title: _difference(measures.get(m.name)) for m in known}
            for label, measures in found.items()
        ]
        st.dataframe(table, hide_index=True)
        st.caption(
            "Mean difference on the same rows with its 95 % interval; one that holds 0 does not tell them apart."
        )


def _difference(value: Interval | None) -> str:
    return "" if value is None else f"{value['mean']:+.3f} ({value['low']:+.3f} to {value['high']:+.3f})"


def _figures(summary: dict[str, Any]) -> None:
    if not summary:
        st.info("The first figures come with the first answers.", icon=":material/bar_chart:")
        return
    known = in_order(name for measures in summary.values() for name in measures)
    shown = [m for m in known if m.name not in {other.of for other in known}]  # perplexity stands for what it is of
    places = st.columns(min(COLUMNS, len(shown)))
    for number, measure in enumerate(shown):
        title = measure.title[:1].upper() + measure.title[1:]
        note = ", ".join(part for part in (measure.unit, measure.better) if part)
        figure = charts.interval_bars(summary, measure.name, title, note)
        places[number % len(places)].plotly_chart(
            figure, key=f"figure-{measure.name}", config={"displayModeBar": False}
        )
    n = max(m["n"] for measures in summary.values() for m in measures.values())
    st.caption(
        f"Means over {n:.0f} held-out rows with 95 % bootstrap intervals. The base is the student before training."
    )


def _shown(text: str | None) -> str:
    """An answer, or that there is none: a student may say nothing at all."""
    return safe_html(text or "") or "<i>nothing</i>"


def _side_by_side(app: App, project_id: str, run_id: str, rows: list[ComparedItem]) -> None:
    labels = comparison.labels_of(app, run_id)
    if not rows:
        return
    st.subheader("Answers, the student's worst first", anchor=False)
    page = state.number("page")
    for row in rows[page * SHOWN : (page + 1) * SHOWN]:
        student = row["measures"].get(next((n for n in labels if n not in ("base", "teacher")), ""), {})
        title = escape(short(row["question"] or row["sample_id"], 100))
        distance = f" · KL {student['forward_kl']:.2f}" if "forward_kl" in student else ""
        with st.expander(f"{title}{distance}", icon=":material/quiz:"):
            columns = st.columns(len(labels) + 1)
            columns[0].caption("Reference")
            columns[0].html(_shown(row["reference"]))
            for label, place in zip(labels, columns[1:], strict=True):
                place.caption(escape(label))
                place.html(_shown(row["answers"].get(label, "…")))
            with st.container(horizontal=True):
                shell.link("Explore", "Open the sample", sample=row["sample_id"])
                if st.button(
                    "Training rows like it", key=f"like-{row['sample_id']}", icon=":material/travel_explore:"
                ):
                    started = comparison.rows_like(app, run_id, row["sample_id"])
                    state.of_project()["explore.search"] = (*started, short(row["question"] or "", 30))
                    st.switch_page(shell.PAGES["Explore"].file, query_params={"project": project_id})
    pages = -(-len(rows) // SHOWN)
    if pages > 1:
        chosen = int(st.number_input("Page", 1, pages, page + 1, key="evaluate.page"))
        if chosen - 1 != page:
            state.set_params(page=chosen - 1 or None)
            st.rerun()


def ask(app: App, students: dict[str, str]) -> None:
    """One question to a student, its base and its teacher."""
    st.subheader("Ask all three", anchor=False)
    with st.form("ask", border=True):
        student = st.selectbox("Student", list(students), format_func=students.__getitem__, key="ask.student")
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
            run_id, key, labels = state.of_project()["evaluate.ask"]
            found = comparison.answers(app, run_id, key)
            if found is None:
                st.progress(0.0, text=f"{app.status(run_id).message or 'starting'}… three models load the first time")
                return
            state.of_project()["evaluate.answers"] = {label: found.get(label, "") for label in labels}
            del state.of_project()["evaluate.ask"]
            st.rerun()

    panel()


def _answers(found: dict[str, str]) -> None:
    for (label, text), place in zip(found.items(), st.columns(len(found)), strict=True):
        with place.container(border=True):
            st.caption(escape(label))
            st.html(safe_html(text or "(no words)"))
