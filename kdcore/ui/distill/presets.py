"""Where a recipe begins: roles of distillation in the survey (§2, §6), each a few fields of the form set at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import streamlit as st


@dataclass(frozen=True, slots=True)
class Preset:
    """A name, why it is so, and the fields (widget key → value) that it sets."""

    title: str
    why: str
    fields: dict[str, Any]


def _fields(init: str, loss: str, adapter: str, epochs: float, rate: float) -> dict[str, Any]:
    return {
        "student.init": init,
        "loss-0": loss,
        "student.adapter": adapter,
        "distill.epochs": epochs,
        "distill.learning_rate": rate,
    }


PRESETS = {
    "compress": Preset(
        "A smaller copy of the teacher",
        "Every few layers are kept and learn the teacher's next words again.",
        _fields("teacher_layers", "forward_kl", "full", 3.0, 3e-4),
    ),
    "advance": Preset(
        "A small model learns from a stronger one",
        "It keeps what it can and takes over the teacher's words for this task.",
        _fields("model", "forward_kl", "lora", 2.0, 1e-4),
    ),
    "weak_to_strong": Preset(
        "A strong model learns from a weaker teacher",
        "One pass with small steps: it takes over the task, not the teacher's mistakes (Burns et al. 2023, arXiv "
        "2312.09390). Let a weak model choose the rows: the check instruction difficulty and a pick on the Explore "
        "page, then that pick under More about this slice (Superfiltering, arXiv 2402.00530).",
        _fields("model", "sequence_level_kd", "lora", 1.0, 5e-5),
    ),
    "prefer": Preset(
        "A student that answers learns what people prefer",
        "Pairs from feedback methods or from mended answers, measured from where it begins.",
        _fields("model", "dpo", "lora", 1.0, 5e-5),
    ),
}


def choose() -> None:
    """A choice that fills in the form; every field can be changed afterwards."""

    def fill() -> None:
        if preset := PRESETS.get(st.session_state["distill.preset"]):
            st.session_state.update(preset.fields)

    chosen = st.selectbox(
        "Begin with",
        list(PRESETS),
        index=None,
        placeholder="an empty recipe",
        format_func=lambda name: PRESETS[name].title,
        key="distill.preset",
        on_change=fill,
    )
    if chosen:
        st.caption(PRESETS[chosen].why)
