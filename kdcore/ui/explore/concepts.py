"""Teach a concept by example: yes or no on a few rows, learn, and every row has a score to filter by."""

from __future__ import annotations

import html

import streamlit as st

from kdcore.configs.selection import EVERYTHING, Selection
from kdcore.errors import KdError
from kdcore.records.samples import Sample
from kdcore.services.explore import concepts, tags
from kdcore.services.explore import samples as explore_samples
from kdcore.services.workspace import App
from kdcore.ui import filter_bar, frame, live, shell, state
from kdcore.ui.labels import short
from kdcore.ui.safe_html import safe_html, strong_html

NEW = "a new concept"


def concept_list(app: App, project_id: str, map_run: str | None, selection: Selection) -> None:
    """Which concept, its examples, the next rows to judge, and what it found."""
    if map_run is None:
        st.info("A concept is learnt on the map's vectors: draw a map first.", icon=":material/map:")
        return

    @st.fragment  # a yes or no redraws this alone, so that the next row is there before the hand is
    def panel() -> None:
        with frame.guard():
            _teach(app, project_id, selection)

    panel()


def _teach(app: App, project_id: str, selection: Selection) -> None:
    learnt = concepts.learnt(app, project_id)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        known = st.selectbox("Concept", [NEW, *learnt], key="concept.known", persist_state="session", width=260)
        name = known
        if known == NEW:
            name = st.text_input(
                "Its name", key="concept.new", placeholder="dose without a unit", max_chars=50
            ).strip()
    if not name:
        st.caption("Give it a name, then say yes or no to a few answers. Five of each already say something.")
        return
    counts = {row["tag"]: row["rows"] for row in tags.tags(app, project_id)}
    yes, no = (counts.get(tag, 0) for tag in concepts.tags_of(name))
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f":material/thumb_up: **{yes}** yes · :material/thumb_down: **{no}** no")
        if st.button("Learn from these", type="primary", key="concept.learn", disabled=not yes):
            state.of_project()["concept.run"] = concepts.start(app, project_id, name).run_id
            st.rerun()
        if name in learnt and st.button(
            "Show the rows that have it", icon=":material/filter_alt:", key="concept.have"
        ):
            filter_bar.add(concepts.having(name))
            st.rerun()
        if selection != EVERYTHING and st.button("Say yes to all that is selected", key="concept.all"):
            tags.tag(app, project_id, selection, name, shell.reviewer())
            st.rerun()
    _latest(app)
    if name in learnt:
        found = concepts.quality(app, learnt[name])
        st.caption(
            "Too few examples to tell how good it is; five of each are needed."
            if found is None
            else f"On examples left out it ranks a yes above a no in {found:.0%} of pairs (area under the ROC curve)."
        )
    st.caption(
        "Next to judge: what it is least sure of." if name in learnt else "Next to judge: from what is selected."
    )
    for row in concepts.next_rows(app, project_id, name, selection):
        _ask(app, project_id, name, learnt.get(name), row)


def _latest(app: App) -> None:
    run_id = state.of_project().get("concept.run")
    if run_id:
        status = app.status(run_id)
        if not live.is_active(status):
            live.status_line(run_id, status)


def _ask(app: App, project_id: str, name: str, concept_run: str | None, row: Sample) -> None:
    with st.container(border=True):
        answer = row["edited_answer"] or row["answer"] or ""
        st.html(strong_html(short(row["question"], 200)))
        _body(app, concept_run, row["sample_id"], answer)
        with st.container(horizontal=True):
            for has, word, icon in ((True, "Yes", "thumb_up"), (False, "No", "thumb_down")):
                st.button(
                    word,
                    key=f"concept-{word}-{row['sample_id']}",
                    icon=f":material/{icon}:",
                    on_click=concepts.mark,
                    args=(app, project_id, name, row["sample_id"], shell.reviewer()),
                    kwargs={"has": has},
                )
            asked = f"spans-{concept_run}-{row['sample_id']}"
            if concept_run and asked not in state.of_project() and st.button("Why?", key=f"why-{row['sample_id']}"):
                state.of_project()[asked] = concepts.ask_sentences(app, concept_run, answer)
                st.rerun()


def _body(app: App, concept_run: str | None, sample_id: str, answer: str) -> None:
    """The answer; with the sentences that speak for the concept marked once they were asked for."""
    asked = state.of_project().get(f"spans-{concept_run}-{sample_id}")
    if not asked:
        st.html(safe_html(short(answer, 900)))
        return

    @st.fragment(run_every=0.5 if len(asked) == 3 else None)
    def panel() -> None:
        with frame.guard():
            found = state.of_project()[f"spans-{concept_run}-{sample_id}"]
            if len(found) == 3:
                run_id, key, sentences = found
                try:
                    body = explore_samples.answer_of(app, run_id, key)
                except KdError:
                    del state.of_project()[f"spans-{concept_run}-{sample_id}"]  # ask again, do not wait for ever
                    raise
                if body is None:
                    st.caption("Reading the sentences…")
                    return
                state.of_project()[f"spans-{concept_run}-{sample_id}"] = (sentences, body["scores"])
                st.rerun()
            st.html(marked_html(*found))

    panel()


def marked_html(sentences: list[str], scores: list[float]) -> str:
    """Sentences shaded by their score; those that likely have the concept are underlined too."""
    parts: list[str] = []
    for text, score in zip(sentences, scores, strict=True):
        line = "text-decoration:underline dotted;" if score >= 0.5 else ""
        style = f"background:rgba(208,140,47,{0.6 * score:.2f});{line}"
        parts.append(f'<span style="{style}" title="{score:.0%}">{html.escape(text)}</span>')
    return f'<div style="white-space:pre-wrap;line-height:1.8">{"".join(parts)}</div>'
