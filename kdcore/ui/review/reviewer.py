"""The reviewer: one sample at a time, keys on the buttons, nothing lost, the next one ready."""

from __future__ import annotations

import streamlit as st

from kdcore import ids
from kdcore.configs.selection import Selection, to_url
from kdcore.errors import ConflictError
from kdcore.records.decisions import UNDO, Decision
from kdcore.records.samples import Sample
from kdcore.services.explore import samples as explore_samples
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.ui import frame, sample_card, shell, state
from kdcore.ui.browser import hands
from kdcore.ui.labels import DECISIONS, escape, short
from kdcore.ui.review import editor as editor_panel

# action → (label, key, icon); Streamlit keeps R and C for itself
KEYS: dict[str, tuple[str, str, str]] = {
    Decision.ACCEPT: ("Accept", "a", ":material/check:"),
    Decision.REJECT: ("Reject", "x", ":material/close:"),
    Decision.EDIT: ("Edit", "e", ":material/edit:"),
    Decision.SKIP: ("Skip", "s", ":material/redo:"),
    UNDO: ("Undo", "u", ":material/undo:"),
}
QUEUE = 25
WIDTHS = (16, 7)  # of what is read and of what stands beside it
HEIGHT = 464  # pixels in a window of 720; the style lets it grow with the window
JUST_NAMED = "review.just_named"
ANCHOR = ".st-key-review-accept button"  # where it can't be seen, no key decides


def reviewer(app: App, project_id: str, selection: Selection, which: str = "usable") -> None:
    """A fragment: a key redraws the reviewer and nothing else."""

    @st.fragment
    def panel() -> None:
        with frame.guard():
            _draw(app, project_id, selection, which)

    panel()


def _draw(app: App, project_id: str, selection: Selection, which: str) -> None:
    counts = review_decisions.progress(app, project_id, selection, which)
    done, who = st.columns(WIDTHS, gap="small", vertical_alignment="center")
    with done:
        _progress_bar(counts)
    with who:
        _who()
    current = _current(app, project_id, selection, which)
    if current is None:
        st.success("All read. Freeze a dataset version from what you accepted.", icon=":material/celebration:")
        shell.link("Datasets", "Freeze a version", type_="primary", filter=to_url(selection))
        _buttons(app, project_id, None)
        _listen()
        return
    sample = explore_samples.sample(app, current)
    left, right = st.columns(WIDTHS, gap="small")
    with left:
        with st.container(key="reading", height=HEIGHT, border=True, gap="small"):
            sample_card.tags(sample)
            if sample["status"] != "parsed" and sample["reason"]:
                st.caption(f":material/error: {escape(sample['reason'])}. Accepted or mended, it counts.")
            editor_panel.conflict(app, sample)
            if state.of_project().get("review.editing") == current:
                editor_panel.editor(app, sample, _leave)
            else:
                sample_card.body(sample)
                editor_panel.waiting_draft(app, sample)
        _buttons(app, project_id, sample)
    with right, st.container(key="side", height=HEIGHT, border=False):
        sample_card.thread(app, current)
    _listen()


def _who() -> None:
    """Who judges, beside what is judged; asked once and remembered by the browser."""
    if st.session_state.pop(JUST_NAMED, False):
        st.rerun()  # the whole page, whose header has the name too
    if name := shell.named_reviewer():
        st.caption(f"Judging as **{escape(name)}**. Another name: at the top right.")
        return
    asks = "Your name, to stand on your decisions"
    st.text_input(asks, key="review.name", on_change=_name_given, placeholder=asks, label_visibility="collapsed")


def _listen() -> None:
    """The browser's part: it remembers the name, and no held or unseen key decides."""
    keys = [key for _, key, _ in KEYS.values()]
    told = {"keys": keys, "anchor": ANCHOR, "name": shell.named_reviewer()} | editor_panel.forgotten()
    hands("review.hands", told, on_remembered_change=_remember)


def _remember() -> None:
    """The name that this browser remembers."""
    if (found := st.session_state["review.hands"].get("remembered")) and not shell.named_reviewer():
        _take_name(str(found))


def _name_given() -> None:
    _take_name(st.session_state["review.name"])


def _take_name(name: str) -> None:
    shell.name_reviewer(name)
    st.session_state[JUST_NAMED] = True


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
    kept = state.of_project()  # what is being written, or was changed by somebody, stays until that is settled
    asked = (
        editor_panel.in_conflict() or kept.get("review.editing") or kept.get("review.back") or state.param("sample")
    )
    if asked and explore_samples.sample(app, asked)["project_id"] == project_id:
        return asked
    queue = review_decisions.queue(app, project_id, selection, limit=QUEUE, which=which)
    skipped = state.of_project().get("review.skipped", [])
    return next((s for s in queue if s not in skipped), queue[0] if queue else None)


def _buttons(app: App, project_id: str, sample: Sample | None) -> None:
    # One idempotency key for each drawing of the buttons: a double click counts once.
    event = ids.new_event_id()
    sample_id = sample["sample_id"] if sample is not None else None
    seen = review_decisions.revision(sample) if sample is not None else ""
    if sample is not None:
        editor_panel.was_read(sample)
    with st.container(horizontal=True, gap="small", key="decide"):
        for action, (label, key, icon) in KEYS.items():
            st.button(
                label,
                key=f"review.{action}",
                shortcut=key,
                icon=icon,
                width="stretch",
                type="primary" if action == Decision.ACCEPT else "secondary",
                disabled=(sample_id is None and action != "undo") or not shell.named_reviewer(),
                on_click=_act,
                args=(app, project_id, sample_id, action, event, seen),
            )


def _act(app: App, project_id: str, sample_id: str | None, action: str, event: str, seen: str) -> None:
    if action == "undo":
        back = review_decisions.undo(app, project_id, shell.reviewer())
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
    try:
        review_decisions.decide(app, sample_id, action, shell.reviewer(), event, seen=seen)
    except ConflictError as exc:
        editor_panel.met_conflict(str(exc), sample_id)
        return
    if action == Decision.SKIP:
        state.of_project()["review.skipped"] = [*state.of_project().get("review.skipped", [])[-QUEUE:], sample_id]
    _leave()


def _leave() -> None:
    state.of_project().pop("review.back", None)
    state.of_project().pop("review.editing", None)
    state.set_params(sample=None)


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
            shell.link("Review", "Open", sample=row["sample_id"])


def keys() -> None:
    """The key sheet."""
    st.table([{"Key": key.upper(), "Does": label} for label, key, _ in KEYS.values()])
    st.caption("Keys rest while you type in a field; a held key counts once. R and C belong to the browser frame.")
