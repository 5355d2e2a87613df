"""The reviewer: one sample at a time, keys on the buttons, nothing lost, the next one ready."""

from __future__ import annotations

import streamlit as st

from kdcore import ids
from kdcore.configs.selection import Selection, to_url
from kdcore.records.decisions import UNDO, Decision
from kdcore.records.samples import Sample
from kdcore.services.explore import samples as explore_samples
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.ui import frame, sample_card, state
from kdcore.ui.labels import DECISIONS, escape, short

# action → (label, key, icon); Streamlit keeps R and C for itself
KEYS: dict[str, tuple[str, str, str]] = {
    Decision.ACCEPT: ("Accept", "a", ":material/check:"),
    Decision.REJECT: ("Reject", "x", ":material/close:"),
    Decision.EDIT: ("Edit", "e", ":material/edit:"),
    Decision.SKIP: ("Skip", "s", ":material/redo:"),
    UNDO: ("Undo", "u", ":material/undo:"),
}
QUEUE = 25


def reviewer(app: App, project_id: str, selection: Selection, which: str = "usable") -> None:
    """A fragment: a key redraws the reviewer and nothing else."""

    @st.fragment
    def panel() -> None:
        with frame.guard():
            _draw(app, project_id, selection, which)

    panel()


def _draw(app: App, project_id: str, selection: Selection, which: str) -> None:
    counts = review_decisions.progress(app, project_id, selection, which)
    _progress_bar(counts)
    current = _current(app, project_id, selection, which)
    if current is None:
        st.success("All read. Freeze a dataset version from what you accepted.", icon=":material/celebration:")
        frame.link("Datasets", "Freeze a version", type_="primary", filter=to_url(selection))
        _buttons(app, project_id, None)
        return
    sample = explore_samples.sample(app, current)
    left, right = st.columns([2, 1])
    with left, st.container(border=True):
        sample_card.tags(sample)
        if sample["status"] != "parsed" and sample["reason"]:
            st.caption(f":material/error: {escape(sample['reason'])}. Accepted or mended, it counts.")
        if state.of_project().get("review.editing") == current:
            _editor(app, sample)
        else:
            sample_card.body(sample)
    with right:
        _buttons(app, project_id, current)
        sample_card.thread(app, current)


def _progress_bar(counts: dict[str, int]) -> None:
    total, decided = counts["total"], counts["decided"]
    words = " · ".join(
        f"{counts[k]} {DECISIONS[k][1]}"
        for k in (Decision.ACCEPT, Decision.EDIT, Decision.REJECT, Decision.SKIP)
        if counts[k]
    )
    st.progress(
        decided / total if total else 0.0, text=f"**{decided} of {total}** judged{' · ' + words if words else ''}"
    )


def _current(app: App, project_id: str, selection: Selection, which: str) -> str | None:
    """The sample asked for in the address bar, else the first of the queue."""
    asked = state.of_project().get("review.back") or state.param("sample")
    if asked and explore_samples.sample(app, asked)["project_id"] == project_id:
        return asked
    queue = review_decisions.queue(app, project_id, selection, limit=QUEUE, which=which)
    skipped = state.of_project().get("review.skipped", [])
    return next((s for s in queue if s not in skipped), queue[0] if queue else None)


def _buttons(app: App, project_id: str, sample_id: str | None) -> None:
    # One idempotency key for each drawing of the buttons: a double click counts once.
    event = ids.new_event_id()
    for action, (label, key, icon) in KEYS.items():
        st.button(
            label,
            key=f"review.{action}",
            shortcut=key,
            icon=icon,
            width="stretch",
            type="primary" if action == Decision.ACCEPT else "secondary",
            disabled=sample_id is None and action != "undo",
            on_click=_act,
            args=(app, project_id, sample_id, action, event),
        )


def _act(app: App, project_id: str, sample_id: str | None, action: str, event: str) -> None:
    if action == "undo":
        back = review_decisions.undo(app, project_id, frame.reviewer())
        state.of_project()["review.back"] = back
        state.of_project().pop("review.editing", None)
        if back is None:
            st.toast("There is nothing to undo.")
        return
    if sample_id is None:
        return
    if action == Decision.EDIT:
        state.of_project()["review.editing"] = sample_id
        return
    review_decisions.decide(app, sample_id, action, frame.reviewer(), event)
    if action == Decision.SKIP:
        state.of_project()["review.skipped"] = [*state.of_project().get("review.skipped", [])[-QUEUE:], sample_id]
    _leave()


def _leave() -> None:
    state.of_project().pop("review.back", None)
    state.of_project().pop("review.editing", None)
    state.set_params(sample=None)


def _editor(app: App, sample: Sample) -> None:
    """Question and answer in place; the original is kept."""
    sample_id = sample["sample_id"]
    with st.form(f"edit-{sample_id}", border=False):
        question = st.text_area("Question", value=sample["edited_question"] or sample["question"], height=90)
        answer = st.text_area(
            "Answer", value=sample["edited_answer"] or sample["answer"] or sample["completion"], height=220
        )
        note = st.text_input("Note", placeholder="What was wrong (optional)")
        with st.container(horizontal=True):
            save = st.form_submit_button("Save", type="primary", icon=":material/save:")
            leave = st.form_submit_button("Leave as it was", icon=":material/undo:")
    if save:
        review_decisions.decide(
            app, sample_id, Decision.EDIT, frame.reviewer(), question=question, answer=answer, note=note
        )
    if save or leave:
        _leave()
        st.rerun(scope="fragment")


def recent(app: App, project_id: str) -> None:
    """The last decisions; each can be opened and decided again."""
    rows = review_decisions.recent(app, project_id)
    if not rows:
        st.info("No decisions yet.", icon=":material/info:")
    for row in rows:
        with st.container(horizontal=True, vertical_alignment="center"):
            icon, word = DECISIONS.get(row["action"], (":material/undo:", "taken back"))
            st.badge(word, icon=icon)
            st.caption(f"{escape(row['reviewer'])}: {escape(short(row['asked'] or '', 100))}")
            frame.link("Review", "Open", sample=row["sample_id"])


def keys() -> None:
    """The key sheet."""
    st.table([{"Key": key.upper(), "Does": label} for label, key, _ in KEYS.values()])
    st.caption("Keys rest while you type in a field. R and C belong to the browser frame.")
