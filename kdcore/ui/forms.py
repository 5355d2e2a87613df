"""A form drawn from a config's fields: names, bounds and descriptions come from the config itself."""

from __future__ import annotations

import json
import re
from typing import Any, Literal, get_args, get_origin

import streamlit as st
from annotated_types import Ge, Gt, Le, Lt

from kdcore.configs.base import Config, load_config
from kdcore.errors import ConfigError


def label_of(name: str) -> str:
    """``max_tokens`` → ``Max tokens``."""
    return re.sub(r"\bkl\b", "KL", name.replace("_", " ").capitalize(), flags=re.IGNORECASE)


def bounds(field: Any) -> tuple[float | None, float | None]:
    """Lowest and highest value that a numeric field allows; open bounds are moved in a little."""
    low = high = None
    for item in field.metadata:
        if isinstance(item, Ge):
            low = item.ge
        elif isinstance(item, Gt):
            low = item.gt + (1 if field.annotation is int else 1e-6)  # pyright: ignore[reportOperatorIssue]
        elif isinstance(item, Le):
            high = item.le
        elif isinstance(item, Lt):
            high = item.lt - (1 if field.annotation is int else 1e-6)  # pyright: ignore[reportOperatorIssue]
    return low, high  # pyright: ignore[reportReturnType]


def draw(kind: type[Config], key: str, fields: list[str], start: Config | None = None) -> dict[str, Any]:
    """Draw ``fields`` of a config; returns their values. ``load`` validates them again."""
    base = start or kind.model_construct(
        **{n: f.get_default(call_default_factory=True) for n, f in kind.model_fields.items()}
    )
    return {name: _widget(kind.model_fields[name], name, f"{key}.{name}", getattr(base, name)) for name in fields}


def load(kind: type[Config], values: dict[str, Any]) -> Any:
    """Validate what was drawn; raises ConfigError with the wrong field's name."""
    return load_config(kind, values)


def _widget(field: Any, name: str, key: str, value: Any) -> Any:
    label, tip = label_of(name), field.description
    annotation = field.annotation
    if get_origin(annotation) is Literal:
        options = list(get_args(annotation))
        return st.selectbox(label, options, index=options.index(value), help=tip, key=key, persist_state="session")
    if annotation is bool:
        return st.toggle(label, value=value, help=tip, key=key, persist_state="session")
    if annotation in (int, float):
        low, high = bounds(field)
        number = int if annotation is int else float
        return st.number_input(
            label,
            value=number(value),
            min_value=None if low is None else number(low),
            max_value=None if high is None else number(high),
            format=None if annotation is int else "%g",
            step=1
            if annotation is int
            else (0.05 if (high or 0) <= 2 and number(value) >= 0.01 else number(value) / 10 or 0.1),
            help=tip,
            key=key,
            persist_state="session",
        )
    if get_origin(annotation) is tuple:
        return _several(label, get_args(annotation)[0], tip, key, value)
    if get_origin(annotation) is dict:
        return _pairs(label, tip, key, value)
    return st.text_input(label, value=str(value), help=tip, key=key, persist_state="session")


def _pairs(label: str, tip: str | None, key: str, value: dict[str, Any]) -> dict[str, Any]:
    """A field of named values: ``name: value`` on each line, where a value that is JSON is read as such."""
    shown = "\n".join(f"{n}: {v if isinstance(v, str) else json.dumps(v)}" for n, v in value.items())
    help_ = f"{tip}; one name: value on each line"
    text = st.text_area(label, shown, height=68, help=help_, key=key, persist_state="session")
    found: dict[str, Any] = {}
    for line in filter(str.strip, text.splitlines()):
        name, colon, said = line.partition(":")
        if not colon or not name.strip():
            raise ConfigError(f'{label}: "{line.strip()[:60]}" is not name: value.')
        try:
            found[name.strip()] = json.loads(said)
        except ValueError:
            found[name.strip()] = said.strip()
    return found


def _several(label: str, item: Any, tip: str | None, key: str, value: tuple[Any, ...]) -> tuple[Any, ...]:
    """A field of several values: a choice of given ones, or a text with one value on each line."""
    if get_origin(item) is Literal:
        chosen = st.multiselect(
            label, list(get_args(item)), default=list(value), help=tip, key=key, persist_state="session"
        )
        return tuple(chosen)
    if item is str:
        text = st.text_area(
            label, "\n".join(value), help=f"{tip}; one on each line", key=key, persist_state="session"
        )
        return tuple(line.strip() for line in text.splitlines() if line.strip())
    text = st.text_area(
        label,
        json.dumps(value, ensure_ascii=False, indent=1),
        help=f"{tip}; as a JSON list",
        height=200,
        key=key,
        persist_state="session",
    )
    try:
        found = json.loads(text)
    except ValueError as exc:
        raise ConfigError(f"{label} is not JSON ({exc}); correct it and try again.") from exc
    return tuple(found) if isinstance(found, list) else (found,)
