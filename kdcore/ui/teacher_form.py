"""Teacher and sampling, asked in one place: a trial and the full run show the same form with the same values."""

from __future__ import annotations

import streamlit as st

from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.services import models
from kdcore.ui import forms

ENDPOINT = ["model", "base_url", "api_key_env", "price_in", "price_out"]
MORE_OF_ENDPOINTS = [
    "max_model_len", "max_concurrency", "timeout_s", "api_key_file", "key_header", "headers", "query", "body",
    "proxy", "ca_file",
]  # fmt: skip
ENGINES = {"vllm": "vLLM, on this machine", "transformers": "transformers (slower)", "openai_http": "An endpoint"}


def choose(method: str) -> tuple[TeacherConfig, SamplingConfig]:
    """Draw both forms; what is chosen stays for the session, on every page that shows them.

    The longest answer is asked for each length that methods need, and begins with the method's.
    """
    chosen = teacher()
    usual = METHODS[method].reply_tokens
    with st.expander("Sampling", icon=":material/tune:"):
        values = forms.draw(SamplingConfig, f"sampling-{usual}", ["max_tokens"], SamplingConfig(max_tokens=usual))
        values |= forms.draw(
            SamplingConfig, "sampling", [f for f in SamplingConfig.model_fields if f != "max_tokens"]
        )
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
    values = forms.draw(TeacherConfig, f"teacher-{engine}", ENDPOINT if engine == "openai_http" else ["model"], base)
    with st.expander("More about the teacher", icon=":material/tune:"):
        more = MORE_OF_ENDPOINTS if engine == "openai_http" else ["precision", "max_model_len", "max_concurrency"]
        values |= forms.draw(TeacherConfig, f"teacher-{engine}", more, base)
    return forms.load(TeacherConfig, {"engine": engine, **values})
