"""What this user is looking at, kept in the address bar so that a link reopens it."""

from __future__ import annotations

import streamlit as st

from kdcore.configs.selection import EVERYTHING, Selection, from_url, to_url
from kdcore.errors import ConfigError
from kdcore.ids import stable_hash


def param(name: str, default: str = "") -> str:
    """A value of the address bar."""
    return st.query_params.get(name, default)


def number(name: str, default: int = 0) -> int:
    """A whole number of the address bar, the default where it is none."""
    text = param(name)
    return int(text) if text.isdigit() else default


def set_params(**values: str | int | None) -> None:
    """Change the address bar; None or an empty text removes a value."""
    for name, value in values.items():
        text = "" if value is None else str(value)
        if not text:
            if name in st.query_params:
                del st.query_params[name]
        elif st.query_params.get(name) != text:
            st.query_params[name] = text


def selection() -> Selection:
    """The filter in the address bar; a damaged one is said and replaced by everything."""
    text = param("filter")
    if not text:
        return EVERYTHING
    try:
        return from_url(text)
    except ConfigError as exc:
        st.warning(str(exc))
        return EVERYTHING


def filter_key() -> str:
    """A short name of the filter, for widgets that must start afresh when it changes."""
    return stable_hash(param("filter"), length=12)


def set_selection(chosen: Selection) -> None:
    """Put a filter into the address bar."""
    set_params(filter="" if chosen == EVERYTHING else to_url(chosen))
