"""The rows of Explore: a table with the columns one wants, and the sample that is open."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.selection import Selection, found_ids
from kdcore.records.figures import View
from kdcore.records.rows import AS_FOUND, SORTS
from kdcore.records.samples import Sample
from kdcore.services import names
from kdcore.services.explore import samples as explore_samples
from kdcore.services.explore import tags
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App
from kdcore.ui import filter_bar, sample_card, shell, state
from kdcore.ui.labels import escape, short, status_name

# column → how a row shows it
COLUMNS: dict[str, Any] = {
    "question": lambda r: r["edited_question"] or r["question"],
    "answer": lambda r: short(r["edited_answer"] or r["answer"] or r["completion"], 240),
    "topic": lambda r: r["topic"],
    "status": lambda r: status_name(r["status"]),
    "decision": lambda r: r["review"] or "",
    "tokens": lambda r: r["completion_tokens"],
    "difficulty": lambda r: r["difficulty"],
    "reader": lambda r: r["reader"],
    "entropy": lambda r: r["entropy"],
    "teacher": lambda r: r["teacher"],
    "run": lambda r: r["run_id"],
    "reviewer": lambda r: r["reviewer"] or "",
    "note": lambda r: r["note"] or "",
    "reason": lambda r: r["reason"] or "",
    "source": lambda r: short(r["source"] or "", 120),
}
USUAL = ["question", "answer", "topic", "status", "decision", "tokens"]


def table(app: App, view: View, page_size: int) -> None:
    """One page of rows; a click opens the sample card."""
    rows = view["rows"]
    if not rows:
        st.info("Nothing matches this filter. Take a part of it out.", icon=":material/filter_alt_off:")
        return
    shown: list[str] = st.session_state.get("explore.columns") or USUAL
    event: Any = st.dataframe(
        [_likeness(r) | {name: COLUMNS[name](r) for name in shown} for r in rows],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"table-{state.filter_key()}-{state.param('page')}-{state.param('sort')}-{state.param('down')}",
    )
    picked = event.get("selection", {}).get("rows", []) if event else []
    ids = [rows[i]["sample_id"] for i in picked if i < len(rows)]
    if state.is_new("table", ids) and ids:
        state.set_params(sample=ids[0])
        st.rerun()
    pages = max(1, -(-view["count"] // page_size))
    with st.container(horizontal=True, vertical_alignment="center"):
        now = state.number("page")
        if st.button("Previous", icon=":material/chevron_left:", disabled=now == 0, key="explore.previous"):
            state.set_params(page=now - 1 or None)
            st.rerun()
        st.caption(f"Page {now + 1} of {pages}")
        if st.button("Next", icon=":material/chevron_right:", disabled=now + 1 >= pages, key="explore.next"):
            state.set_params(page=now + 1)
            st.rerun()
        usual = usual_sort(state.selection())
        sorts = (AS_FOUND, *SORTS) if usual == AS_FOUND else SORTS
        now_by = state.param("sort", usual)
        order = st.selectbox(
            "Sort by",
            sorts,
            index=sorts.index(now_by) if now_by in sorts else 0,
            format_func=lambda name: "nearest first" if name == AS_FOUND else name,
            width=180,
        )
        st.session_state["explore.down"] = bool(state.param("down"))
        st.toggle("Largest first", key="explore.down", on_change=_turn)
        if order != now_by:
            state.set_params(sort=order, page=None)
            st.rerun()
        with st.popover("Columns", icon=":material/view_column:"):
            st.multiselect("Columns", list(COLUMNS), default=USUAL, key="explore.columns", persist_state="session")


def usual_sort(selection: Selection) -> str:
    """By which column rows stand unless a person says: hits of a search the nearest first."""
    return AS_FOUND if found_ids(selection) else "created"


def _likeness(row: Sample) -> dict[str, float]:
    """The cosine of a hit, where this session searched for it."""
    scores: dict[str, float] = state.of_project().get("explore.likeness", {})
    found = row["sample_id"] in scores and bool(found_ids(state.selection()))
    return {"likeness": round(scores[row["sample_id"]], 3)} if found else {}


def _turn() -> None:
    state.set_params(down="1" if st.session_state["explore.down"] else None, page=None)


def card(app: App, sample_id: str) -> None:
    """The sample that is open, and its thread."""
    sample = explore_samples.sample(app, sample_id)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        sample_card.tags(sample)
        if st.button("Close", icon=":material/close:", key="explore.close", type="tertiary"):
            state.set_params(sample=None)
            st.rerun()
    sample_card.body(sample, looked_for=filter_bar.looked_for(state.selection()))
    with st.container(horizontal=True, gap="small"):
        shell.link("Review", "Judge it", sample=sample_id)
        if st.button("Ask again", icon=":material/refresh:", key="explore.again"):
            run = generation_runs.regenerate(app, sample_id)
            st.toast(f"Asked again: {escape(names.of_run(app, run.run_id))}. The new answer stands beside this one.")
        if st.button("More like this", icon=":material/travel_explore:", key="explore.like"):
            run_id, key = explore_samples.start_search(app, sample["project_id"], sample_id=sample_id)
            state.of_project()["explore.search"] = (run_id, key, short(sample["question"], 30))
            st.rerun()
    _tags(app, sample)
    sample_card.thread(app, sample_id)


def _tags(app: App, sample: Sample) -> None:
    """Tags of the open sample: a click takes one off, Enter puts one on."""
    with st.container(horizontal=True, vertical_alignment="center"):
        for name in tags.tags_of(app, sample["sample_id"]):
            if st.button(escape(name), key=f"tagged-{name}", icon=":material/close:", help="Take this tag off"):
                tags.tag_one(app, sample["project_id"], sample["sample_id"], name, shell.reviewer(), present=False)
                st.rerun()
        key = f"new-tag-{sample['sample_id']}"
        st.text_input(
            "New tag",
            key=key,
            placeholder="add a tag",
            label_visibility="collapsed",
            max_chars=tags.MAX_CHARACTERS,
            on_change=_put_on,
            args=(app, sample, key),
        )


def _put_on(app: App, sample: Sample, key: str) -> None:
    if name := st.session_state[key].strip():
        tags.tag_one(app, sample["project_id"], sample["sample_id"], name, shell.reviewer())
    st.session_state[key] = ""
