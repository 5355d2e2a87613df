"""The answer rewritten in place: drafts that survive, and what to do where somebody else was quicker."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from kdcore.errors import ConfigError, ConflictError
from kdcore.records.decisions import Decision
from kdcore.records.samples import Sample
from kdcore.services.review import decisions as review_decisions
from kdcore.services.review import drafts
from kdcore.services.workspace import App
from kdcore.ui import shell, state
from kdcore.ui.browser import editor as text_editor
from kdcore.ui.labels import escape
from kdcore.ui.safe_html import visible

CONFLICT, READ, PROBLEM, ENDED, FORGET = (
    "review.conflict",
    "review.read",
    "review.problem",
    "review.ended",
    "review.forget",
)


def editor(app: App, sample: Sample, leave: Callable[[], None]) -> None:
    """Question, answer and note; each is kept as a draft while it is typed. ``leave`` ends the editing."""
    sample_id, who = sample["sample_id"], shell.reviewer()
    draft = drafts.of(app, sample_id, who)
    seen = draft["seen"] if draft is not None else review_decisions.revision(sample)
    key = f"review.editor.{sample_id}"
    if problem := state.of_project().pop(PROBLEM, ""):
        st.error(escape(problem), icon=":material/error:")

    def typed(name: str) -> dict[str, Any]:
        return dict(st.session_state[key].get(name) or {})

    def keep() -> None:
        found = typed("draft")
        if found and float(found.get("time") or 0) > state.of_project().get(f"{ENDED}.{sample_id}", 0.0):
            drafts.keep(app, sample_id, who, found, seen)

    def save() -> None:
        if found := typed("save"):
            _save(app, sample_id, who, found, seen, leave)

    def discard() -> None:
        _end(app, sample_id, who, typed("discard"))
        leave()

    text_editor(
        key,
        {
            "key": _browser_key(sample_id, who),
            "text": {"question": _question(sample), "answer": _answer(sample), "note": ""},
            "draft": None if draft is None else {name: draft[name] for name in (*drafts.FIELDS, "time")},
        },
        on_draft_change=keep,
        on_save_change=save,
        on_discard_change=discard,
        on_close_change=leave,
    )


def _save(app: App, sample_id: str, who: str, found: dict[str, Any], seen: str, leave: Callable[[], None]) -> None:
    texts = {name: str(found.get(name) or "") for name in drafts.FIELDS}
    try:
        review_decisions.decide(app, sample_id, Decision.EDIT, who, seen=seen, **texts)
    except ConflictError as exc:
        newest = drafts.of(app, sample_id, who)
        drafts.keep(app, sample_id, who, {**texts, "time": newest["time"] if newest else 1.0}, seen)
        met_conflict(str(exc), sample_id)
    except ConfigError as exc:
        state.of_project()[PROBLEM] = str(exc)
    else:
        _end(app, sample_id, who, found)
        leave()


def _end(app: App, sample_id: str, who: str, found: dict[str, Any]) -> None:
    """Forget a draft; one that was sent before and arrives later is none."""
    ended = float(found.get("time") or 0.0)
    state.of_project()[f"{ENDED}.{sample_id}"] = ended
    state.of_project().setdefault(FORGET, {})[_browser_key(sample_id, who)] = ended
    drafts.discard(app, sample_id, who)


def waiting_draft(app: App, sample: Sample) -> None:
    """Says that the person has a draft of this answer, with the way back to it."""
    if drafts.of(app, sample["sample_id"], shell.reviewer()) is None:
        return
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(":material/edit_note: You have a draft of this answer.")
        if st.button("Go on with the draft", key="review.draft", icon=":material/edit:"):
            state.of_project()["review.editing"] = sample["sample_id"]
            st.rerun(scope="fragment")


# ---- somebody else was quicker ------------------------------------------------------------------------------
def was_read(sample: Sample) -> None:
    """Remember the text that is on the screen, to show it beside what it has become."""
    if CONFLICT not in state.of_project():
        state.of_project()[READ] = (sample["sample_id"], _answer(sample))


def met_conflict(message: str, sample_id: str) -> None:
    """A decision about a sample was not stored, as its text is another now."""
    state.of_project()[CONFLICT] = sample_id, message


def in_conflict() -> str:
    """The sample whose conflict is not settled yet, "" without one: it stays on the screen."""
    return state.of_project().get(CONFLICT, ("", ""))[0]


def conflict(app: App, sample: Sample) -> None:
    """Both texts side by side; whoever has read the new one goes on from there."""
    if in_conflict() != sample["sample_id"]:
        return
    read_id, before = state.of_project().get(READ, ("", ""))
    st.warning(escape(state.of_project()[CONFLICT][1]), icon=":material/group:")
    read, now = st.columns(2)
    with read:
        st.caption("You read")
        st.code(visible(before) if read_id == sample["sample_id"] else "", language=None, wrap_lines=True)
    with now:
        st.caption("It is now")
        st.code(visible(_answer(sample)), language=None, wrap_lines=True)
    shown = review_decisions.revision(sample)  # what stands on the screen, whatever comes while it is read
    st.button(
        "I have read it", key="review.conflict.read", type="primary", on_click=_settle, args=(app, sample, shown)
    )


def _settle(app: App, sample: Sample, shown: str) -> None:
    state.of_project().pop(CONFLICT, None)
    state.of_project()["review.back"] = sample["sample_id"]
    draft = drafts.of(app, sample["sample_id"], shell.reviewer())
    if draft is not None:  # from here on it is a draft on the text that was shown
        kept = {name: draft[name] for name in (*drafts.FIELDS, "time")}
        drafts.keep(app, sample["sample_id"], shell.reviewer(), kept, shown)


def forgotten() -> dict[str, Any]:
    """Drafts that were saved or thrown away, by their keys in the browser: only now may it forget them too."""
    return {"forget": state.of_project().get(FORGET, {})}


def _browser_key(sample_id: str, who: str) -> str:
    return f"kd.draft.{sample_id}.{who}"


def _question(sample: Sample) -> str:
    return sample["edited_question"] or sample["question"] or ""


def _answer(sample: Sample) -> str:
    return sample["edited_answer"] or sample["answer"] or sample["completion"] or ""
