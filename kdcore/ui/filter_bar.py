"""The one filter: lists that add parts to the Selection in the address bar, and pills that take them out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import get_args

import streamlit as st

from kdcore.configs.selection import (
    EVERYTHING,
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
from kdcore.records.reviews import TagCount
from kdcore.records.rows import VerdictKey
from kdcore.services.explore import samples as explore_samples
from kdcore.ui import state
from kdcore.ui.forms import label_of
from kdcore.ui.labels import DECISIONS, escape, short, status_name


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
    state.set_params(page=None, sample=None)  # what is picked is what one wants to see


def remove(part: Selection) -> None:
    """Take one part out."""
    state.set_selection(All(parts=tuple(p for p in parts(state.selection()) if p != part)))
    state.set_params(page=None)


def describe(part: Selection) -> str:
    """A part in words."""
    if isinstance(part, ColumnIs):
        sign = "is" if part.op in ("=", "in") else part.op
        values = (status_name(str(v)) if part.column == "status" else str(v) for v in part.values)
        return f"{label_of(part.column)} {sign} {', '.join(values)}"
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


def menu(values: dict[str, list[str]], failing: Sequence[VerdictKey], tags: Sequence[TagCount]) -> None:
    """Everything that one filters by, in lists that stay put while one chooses; several values of each.

    ``values`` are the project's by column, ``failing`` the checks that some rows fail.
    """
    with st.popover("Filter", icon=":material/filter_alt:"):
        st.text_input(
            "Find text",
            key="find",
            placeholder="Words in question or answer",
            icon=":material/search:",
            on_change=_find,
        )
        with st.expander("Where and how the text is looked for"):
            st.selectbox("Look in", get_args(TextField), key="find.field", persist_state="session")
            st.toggle("Pattern (RE2)", key="find.regex", persist_state="session")
            st.toggle("Keep what does not match", key="find.not", persist_state="session")
        if problem := st.session_state.pop("find.problem", ""):
            st.error(escape(problem), icon=":material/error:")
        for column in ("topic", "status", "difficulty", "reader"):
            there = [value for value in values.get(column, []) if value]
            words = {value: short(status_name(value) if column == "status" else value, 60) for value in there}
            if len(there) > 1:
                _choose(label_of(column), f"filter.{column}", words, column)
        _choose("Decision", "filter.decision", {str(d): word for d, (_, word) in DECISIONS.items()})
        _choose(
            "Fails each of these checks", "filter.check", {key.text: key.text.replace("_", " ") for key in failing}
        )
        _choose("Has each of these tags", "filter.tag", {row["tag"]: short(row["tag"], 60) for row in tags})


def _choose(label: str, key: str, options: dict[str, str], column: str = "") -> None:
    """One list; what is chosen in it is one part of the filter."""
    if not options and not _chosen(state.selection(), key, column):
        return
    st.session_state[key] = chosen = list(dict.fromkeys(_chosen(state.selection(), key, column)))
    st.multiselect(
        label,
        list(dict.fromkeys([*options, *chosen])),  # what a link chose is there, in the list or not
        format_func=lambda value: options.get(value, short(value, 60) or "none"),
        key=key,
        on_change=_choice_changed,
        args=(key, column),
        placeholder="any",
    )


def _chosen(selection: Selection, key: str, column: str) -> list[str]:
    """What the part of the filter that a list speaks for holds."""
    return [value for part in parts(selection) for value in _values(part, key, column) or ()]


def _values(part: Selection, key: str, column: str) -> list[str] | None:
    """The values of a part that this list speaks for, None for any other part."""
    match part:
        case ColumnIs() if column and part.column == column and part.op in ("=", "in"):
            return [str(value) for value in part.values]
        case ReviewIs() if key == "filter.decision":
            return [str(each) for each in part.states]
        case HasVerdict() if key == "filter.check" and not part.passed:
            return [part.key.text]
        case HasTag() if key == "filter.tag":
            return [part.tag]
        case _:
            return None


def _choice_changed(key: str, column: str) -> None:
    """Put what the list holds now in place of what it held; each check and tag is a part of its own."""
    chosen: list[str] = st.session_state[key]
    kept = [part for part in parts(state.selection()) if _values(part, key, column) is None]
    made: list[Selection] = []
    if column and chosen:
        made.append(ColumnIs(column=column, op="in", values=tuple(chosen)))  # pyright: ignore[reportArgumentType]
    elif key == "filter.decision" and chosen:
        made = [ReviewIs(states=tuple(Decision(each) for each in chosen))]
    elif key == "filter.check":
        found = [VerdictKey.parse(each) for each in chosen]
        made = [HasVerdict(verdict_kind=each.kind, filter=each.filter, passed=False) for each in found]
    elif key == "filter.tag":
        made = [HasTag(tag=each) for each in chosen]
    together = [part for part in (*kept, *made) if part != All()]
    state.set_selection(All(parts=tuple(together)) if together else EVERYTHING)
    state.set_params(page=None, sample=None)


def pills(selection: Selection) -> None:
    """The parts of the filter, each with its way out."""
    chosen = [p for p in parts(selection) if p != All()]
    if chosen:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            for number, part in enumerate(chosen):
                label = escape(describe(part))
                st.button(label, key=f"pill-{number}-{label}", icon=":material/close:", on_click=remove, args=(part,))
            st.button("Clear all", key="clear-filter", type="tertiary", on_click=state.set_selection, args=(All(),))


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
