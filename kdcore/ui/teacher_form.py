"""Teacher and sampling, asked in one place: a trial and the full run show the same form with the same values."""

from __future__ import annotations

import streamlit as st

from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.services import models
from kdcore.ui import forms

ENGINES = {"vllm": "vLLM, on this machine", "transformers": "transformers (slower)", "openai_http": "An endpoint"}


def choose() -> tuple[TeacherConfig, SamplingConfig]:
    """Draw both forms; what is chosen stays for the session, on every page that shows them."""
    chosen = teacher()
    with st.expander("Sampling", icon=":material/tune:"):
        values = forms.draw(SamplingConfig, "sampling", list(SamplingConfig.model_fields))
    return chosen, forms.load(SamplingConfig, values)


def teacher() -> TeacherConfig:
    """Draw the teacher's form alone."""
    default, note = models.default_engine()
    if note:
        st.warning(note)
    names = [e for e in ENGINES if e != "vllm" or default == "vllm"]
    engine = st.selectbox(
        "Engine", names, format_func=ENGINES.__getitem__, key="teacher.engine", persist_state="session"
    )
    base = TeacherConfig(engine=engine)  # pyright: ignore[reportArgumentType]
    fields = ["model", "base_url", "api_key_env", "price_in", "price_out"] if engine == "openai_http" else ["model"]
    values = forms.draw(TeacherConfig, f"teacher-{engine}", fields, base)
    with st.expander("More about the teacher", icon=":material/tune:"):
        values |= forms.draw(
            TeacherConfig, f"teacher-{engine}", ["precision", "max_model_len", "max_concurrency"], base
        )
    return forms.load(TeacherConfig, {"engine": engine, **values})
