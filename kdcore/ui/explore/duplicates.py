"""Duplicate groups: opened, compared word by word, resolved one by one or all at once, and taken back."""

from __future__ import annotations

import difflib
import html

import streamlit as st

from kdcore.configs.selection import Selection
from kdcore.records.decisions import KEPT, Decision
from kdcore.records.figures import DuplicateMember
from kdcore.records.samples import Sample
from kdcore.services.explore import duplicates
from kdcore.services.explore import samples as explore_samples
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.ui import shell
from kdcore.ui.labels import DECISIONS, escape, short

AT_ONCE = 10


def duplicate_pairs(app: App, project_id: str, selection: Selection) -> None:
    """What to keep, then the groups, the largest first."""
    found = duplicates.groups(app, project_id, selection)
    _undo(app, project_id)
    if not found:
        st.info(
            "No group of duplicates is open. Run the duplicate checks above; what is resolved is not shown again.",
            icon=":material/done_all:",
        )
        return
    rule = st.segmented_control(
        "Keep",
        list(duplicates.RULES),
        format_func=lambda name: duplicates.RULES[name][0],
        default="longest",
        key="duplicates.rule",
        required=True,
    )
    rows = sum(len(group) for group in found)
    st.caption(
        f"{len(found):,} groups of {rows:,} answers. One of each is kept, the others are rejected; what people "
        "accepted or edited is never rejected here."
    )
    if st.button(f"Resolve all {len(found):,}", icon=":material/done_all:", key="duplicates.all"):
        _resolve(app, project_id, found, rule or "longest")
    for number, group in enumerate(found[:AT_ONCE]):
        _group(app, project_id, number, group, rule or "longest")
    if len(found) > AT_ONCE:
        st.caption(f"{len(found) - AT_ONCE:,} more groups come up as these are resolved.")


def _resolve(app: App, project_id: str, groups: list[list[DuplicateMember]], rule: str) -> None:
    done = duplicates.resolve(app, project_id, groups, rule, shell.reviewer())
    st.toast(f"{done:,} duplicates rejected. Undo takes all of them back.")
    st.rerun()


def _undo(app: App, project_id: str) -> None:
    if st.button("Undo my last decision", key="duplicates.undo", icon=":material/undo:"):
        st.toast(
            "Taken back." if review_decisions.undo(app, project_id, shell.reviewer()) else "There is nothing to undo."
        )
        st.rerun()


def _group(app: App, project_id: str, number: int, group: list[DuplicateMember], rule: str) -> None:
    members = duplicates.order(group, rule)
    full = {row["sample_id"]: row for row in explore_samples.samples_of(app, [m["sample_id"] for m in members[:8]])}
    first = full[members[0]["sample_id"]]
    with st.expander(f"{len(members)} × {escape(short(first['question'], 100))}", expanded=number == 0):
        st.caption(f"{DECISIONS[Decision.ACCEPT][0]} kept · {members[0]['sample_id']}")
        st.html(f"<p><strong>{html.escape(first['question'])}</strong><br>{html.escape(_answer(first))}</p>")
        for member in members[1:8]:
            row = full[member["sample_id"]]
            kept = member["review"] in KEPT
            icon, word = DECISIONS[member["review"]] if kept else (":material/close:", "goes")
            st.caption(f"{icon} {word} · {member['sample_id']} · what differs is marked")
            st.html(differences(f"{first['question']}\n{_answer(first)}", f"{row['question']}\n{_answer(row)}"))
        if len(members) > 8:
            st.caption(f"and {len(members) - 8} more")
        if st.button("Resolve this group", key=f"duplicates.{members[0]['sample_id']}", icon=":material/done:"):
            _resolve(app, project_id, [group], rule)


def _answer(row: Sample) -> str:
    return row["edited_answer"] or row["answer"] or ""


def differences(old: str, new: str) -> str:
    """Two texts as HTML, word by word: what only the old has is struck, what only the new has is underlined."""
    before, after = old.replace("\n", " ⏎ ").split(), new.replace("\n", " ⏎ ").split()
    parts: list[str] = []
    for tag, i1, i2, j1, j2 in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        gone, come = html.escape(" ".join(before[i1:i2])), html.escape(" ".join(after[j1:j2]))
        if tag == "equal":
            parts.append(come)
            continue
        if gone:
            parts.append(f'<del style="background:rgba(239,68,68,0.18)">{gone}</del>')
        if come:
            parts.append(f'<ins style="background:rgba(47,111,106,0.25)">{come}</ins>')
    return f"<p>{' '.join(parts)}</p>".replace("⏎", "<br>")
