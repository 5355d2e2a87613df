"""What this user is looking at, kept in the address bar so that a link reopens it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import streamlit as st

from kdcore.configs.selection import EVERYTHING, Selection, from_url, to_url
from kdcore.errors import ConfigError
from kdcore.ids import stable_hash
from kdcore.services.explore import samples as explore_samples
from kdcore.ui.labels import sentence


def param(name: str, default: str = "") -> str:
    """A value of the address bar."""
    return st.query_params.get(name, default)


INLINE = 216  # pixels of a choice in a line of controls
MOST_DIGITS = 9  # of a number in the address bar


def number(name: str, default: int = 0) -> int:
    """A whole number of the address bar, the default where it is none."""
    text = param(name)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= MOST_DIGITS else default


def set_params(**values: str | int | None) -> None:
    """Change the address bar; None or an empty text removes a value."""
    for name, value in values.items():
        text = "" if value is None else str(value)
        if not text:
            if name in st.query_params:
                del st.query_params[name]
        elif st.query_params.get(name) != text:
            st.query_params[name] = text


def choose(
    label: str,
    options: list[str],
    name: str,
    words: Callable[[str], str] = str,
    clears: Sequence[str] = (),
    width: int | Literal["stretch"] = "stretch",
    label_visibility: Literal["visible", "collapsed"] = "visible",
) -> str:
    """A select box tied to a value of the address bar; a new choice clears the values that hung on the old one.

    The widget keeps one key: a key that followed the value would drop every other click.
    """
    key = f"choose.{name}.{label}"
    wanted = param(name)
    if wanted in options:
        st.session_state[key] = wanted
    elif st.session_state.get(key) not in options:
        st.session_state[key] = options[0]

    def changed() -> None:
        set_params(**{name: st.session_state[key]}, **dict.fromkeys(clears))

    chosen = st.selectbox(
        label,
        options,
        format_func=words,
        key=key,
        on_change=changed,
        width=width,
        label_visibility=label_visibility,
    )
    set_params(**{name: chosen})
    return chosen


def choose_many(
    label: str,
    options: list[str],
    name: str,
    words: Callable[[str], str] = str,
    most: int | None = None,
    *,
    inline: bool = False,
) -> list[str]:
    """A choice of several, at most ``most``, tied to a value of the address bar, parted by commas.

    ``inline`` puts the label inside, for a line of controls.
    """
    key = f"choose.{name}.{label}"
    st.session_state[key] = [value for value in param(name).split(",") if value in options][:most]

    def changed() -> None:
        set_params(**{name: ",".join(st.session_state[key])})

    return st.multiselect(
        label,
        options,
        format_func=words,
        key=key,
        on_change=changed,
        max_selections=most,
        placeholder=label if inline else None,
        label_visibility="collapsed" if inline else "visible",
        width=INLINE if inline else "stretch",
    )


def tab(names: dict[str, str], name: str) -> str:
    """Tabs tied to a value of the address bar, the first where it is none: only the open one is drawn."""
    key = f"tab.{name}"
    first = next(iter(names))
    wanted = param(name, first)
    st.session_state[key] = wanted if wanted in names else first

    def changed() -> None:
        chosen = st.session_state[key]
        set_params(**{name: None if chosen == first else chosen})

    st.segmented_control(
        "View",
        list(names),
        format_func=names.__getitem__,
        key=key,
        on_change=changed,
        label_visibility="collapsed",
        required=True,
    )
    return st.session_state[key]


def of_project() -> dict[str, Any]:
    """What this session keeps of the chosen project: questions that are open, results that are shown.

    Another project has a dictionary of its own, so a switch can neither show nor lose any of it.
    """
    return st.session_state.setdefault(f"project:{st.session_state.get('project_id', '')}", {})


def own(key: str) -> str:
    """The key of a widget that holds text of the chosen project: another project has a widget of its own."""
    return f"{key}@{st.session_state.get('project_id', '')}"


def is_new(key: str, value: object) -> bool:
    """Whether a widget's value differs from the one last acted on: a selection that stays is not a new wish."""
    known = st.session_state.get(f"handled.{key}")
    st.session_state[f"handled.{key}"] = value
    return value != known


def selection() -> Selection:
    """The filter in the address bar; a damaged one is said and replaced by everything."""
    text = param("filter")
    if not text:
        return EVERYTHING
    try:
        found = from_url(text)
        explore_samples.refuse_unreadable(found)
        return found
    except ConfigError as exc:
        st.warning(f"{sentence(str(exc))} Until then the whole set is shown.")
        return EVERYTHING


def filter_key() -> str:
    """A short name of the filter, for widgets that must start afresh when it changes."""
    return stable_hash(param("filter"), length=12)


def set_selection(chosen: Selection) -> None:
    """Put a filter into the address bar."""
    set_params(filter="" if chosen == EVERYTHING else to_url(chosen))
