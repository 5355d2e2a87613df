"""The one filter bar: pills that add parts to the Selection in the address bar, and take them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import streamlit as st

from kdcore.configs.selection import (
    All,
    ColumnIs,
    HasScore,
    HasTag,
    HasVerdict,
    InClusters,
    InLasso,
    IsOneOf,
    Not,
    ReviewIs,
    Selection,
    TextField,
    TextHas,
)
from kdcore.errors import ConfigError
from kdcore.records.decisions import Decision
from kdcore.records.figures import Facet
from kdcore.records.reviews import TagCount
from kdcore.records.rows import VerdictKey
from kdcore.services.explore import samples as explore_samples
from kdcore.ui import state
from kdcore.ui.forms import label_of
from kdcore.ui.labels import DECISIONS, escape, short


def parts(selection: Selection) -> list[Selection]:
    """The parts that all hold."""
    return list(selection.parts) if isinstance(selection, All) else [selection]


def looked_for(selection: Selection) -> list[str]:
    """Texts that a selection asks for, to mark them where they stand.

    A regular expression is left out: the search runs on RE2, and Python's engine may take for ever over the same.
    """
    return [p.query for p in parts(selection) if isinstance(p, TextHas) and p.query and not p.regex]


def add(part: Selection) -> None:
    """Add one part; a lasso or search replaces the earlier one."""
    kept = [p for p in parts(state.selection()) if p != part]
    if isinstance(part, InLasso | IsOneOf):
        kept = [p for p in kept if not isinstance(p, type(part))]
    state.set_selection(All(parts=(*kept, part)))
    state.set_params(page=None)


def remove(part: Selection) -> None:
    """Take one part out."""
    state.set_selection(All(parts=tuple(p for p in parts(state.selection()) if p != part)))
    state.set_params(page=None)


def describe(part: Selection) -> str:
    """A part in words."""
    if isinstance(part, ColumnIs):
        sign = "is" if part.op in ("=", "in") else part.op
        return f"{label_of(part.column)} {sign} {', '.join(str(v) for v in part.values)}"
    if isinstance(part, TextHas):
        where = "" if part.field == "any" else f"{part.field} "
        return f"{where}{'matches' if part.regex else 'contains'} “{short(part.query, 30)}”"
    if isinstance(part, InClusters):
        return f"group {', '.join(str(c + 1) for c in part.clusters)}"
    if isinstance(part, HasVerdict):
        if part.verdict_kind == "pick":
            return f"picked by {part.filter}"
        return f"{part.key.text} {'passed' if part.passed else 'failed'}"
    if isinstance(part, HasScore):
        below = "" if part.high is None else f" to {part.high:g}"
        return f"{part.key.text} {part.low:g}{below or ' or more'}"
    if isinstance(part, HasTag):
        return f"tagged “{part.tag}”"
    if isinstance(part, ReviewIs):
        return " or ".join(DECISIONS[state][1] for state in part.states)
    if isinstance(part, InLasso):
        return "inside the lasso"
    if isinstance(part, IsOneOf):
        return part.label or f"{len(part.sample_ids)} samples"
    if isinstance(part, Not):
        return f"not ({describe(part.part)})"
    if (ends := _range(part.parts)) is not None:
        return ends
    return " and ".join(describe(p) for p in part.parts) or "everything"


def _range(parts: tuple[Selection, ...]) -> str | None:
    """``Entropy 1.2 to 1.4`` for two bounds of one column, None for anything else."""
    if len(parts) != 2:
        return None
    low, high = parts
    if not (isinstance(low, ColumnIs) and isinstance(high, ColumnIs) and low.column == high.column):
        return None
    if (low.op, high.op) != (">=", "<"):
        return None
    return f"{label_of(low.column)} {low.values[0]} to {high.values[0]}"


def bar(facets: dict[str, list[Facet]], failing: Sequence[VerdictKey], tags: Sequence[TagCount]) -> Selection:
    """Draw the bar; returns the selection that holds after it. ``failing`` are checks that some rows fail."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.text_input(
            "Find text",
            key="find",
            placeholder="Words in question or answer",
            icon=":material/search:",
            on_change=_find,
            width=280,
        )
        with st.popover("How", icon=":material/manage_search:", help="Where and how the text is looked for"):
            st.selectbox("Look in", get_args(TextField), key="find.field", persist_state="session")
            st.toggle("Regular expression (RE2)", key="find.regex", persist_state="session")
            st.toggle("Keep what does not match", key="find.not", persist_state="session")
        for column in ("topic", "status", "difficulty", "reader"):
            values = [f["value"] for f in facets.get(column, []) if f["value"]]
            if len(values) > 1:
                with st.popover(label_of(column), icon=":material/filter_alt:"):
                    for facet in facets[column]:
                        if facet["value"]:
                            st.button(
                                f"{escape(facet['value'])} · {facet['rows']}",
                                key=f"facet-{column}-{facet['value']}",
                                on_click=add,
                                args=(ColumnIs(column=column, values=(facet["value"],)),),  # pyright: ignore[reportArgumentType]
                                width="stretch",
                            )
        with st.popover("Decision", icon=":material/fact_check:"):
            for decision, (_, label) in DECISIONS.items():
                part = ReviewIs(states=(Decision(decision),))
                st.button(label, key=f"review-{decision}", on_click=add, args=(part,), width="stretch")
        if failing:
            with st.popover("Checks", icon=":material/rule:"):
                for key in failing:
                    part = HasVerdict(verdict_kind=key.kind, filter=key.filter, passed=False)
                    label = f"{escape(key.text)}: failed"
                    st.button(label, key=f"check-{key.text}", on_click=add, args=(part,), width="stretch")
        if tags:
            with st.popover("Tags", icon=":material/sell:"):
                for row in tags:
                    label = f"{escape(row['tag'])} · {row['rows']:,}"
                    part = HasTag(tag=row["tag"])
                    st.button(label, key=f"tag-{row['tag']}", on_click=add, args=(part,), width="stretch")
    if problem := st.session_state.pop("find.problem", ""):
        st.error(escape(problem), icon=":material/error:")
    selection = state.selection()
    chosen = [p for p in parts(selection) if p != All()]
    if chosen:
        with st.container(horizontal=True, vertical_alignment="center"):
            for number, part in enumerate(chosen):
                label = escape(describe(part))
                st.button(label, key=f"pill-{number}-{label}", icon=":material/close:", on_click=remove, args=(part,))
            st.button("Clear all", key="clear-filter", type="tertiary", on_click=state.set_selection, args=(All(),))
    return selection


def _find() -> None:
    text = st.session_state["find"].strip()
    if text:
        how = st.session_state
        part = TextHas(query=text, field=how.get("find.field") or "any", regex=bool(how.get("find.regex")))
        try:
            explore_samples.refuse_unreadable(part)
        except ConfigError as exc:
            how["find.problem"] = str(exc)  # shown beside the field, which keeps the text
            return
        add(Not(part=part) if how.get("find.not") else part)
    st.session_state["find"] = ""
