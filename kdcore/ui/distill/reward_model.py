"""A reward model's held-out pairs: whether it is right as often as it is sure, and the pairs that it has wrong."""

from __future__ import annotations

import streamlit as st

from kdcore.configs.selection import IsOneOf, to_url
from kdcore.evaluate.statistics import calibration
from kdcore.services import names
from kdcore.services.distill import reward_model
from kdcore.services.workspace import App
from kdcore.ui import charts, shell
from kdcore.ui.labels import short


def reward_figures(app: App, run_id: str) -> None:
    """Nothing for a run that left no reward model."""
    pairs = reward_model.margins(app, run_id)
    if not pairs:
        return
    found = calibration([pair["margin"] for pair in pairs])
    st.markdown("**Can its scores be trusted?**")
    left, right = st.columns(2)
    with left, st.container(horizontal=True):
        st.metric("held-out pairs", found["pairs"], border=True)
        st.metric("better answer scored higher", f"{found['right']:.0%}", border=True)
        st.metric(
            "error of its certainty",
            f"{found['error']:.2f}",
            border=True,
            help="Mean gap between how sure it is and how often it is right: 0 is perfect",
        )
    right.plotly_chart(charts.calibration(found["bins"]), key="reward-calibration", config={"displayModeBar": False})
    mistakes = reward_model.wrong(app, pairs)
    with left:
        if not mistakes:
            st.success("It has no held-out pair the wrong way round.", icon=":material/check:")
            return
        st.caption("The wrong way round, the surest mistakes first. Are these its mistakes, or the pairs'?")
        st.dataframe(
            [
                {
                    "margin": pair["margin"],
                    "question": short(pair["question"] or "", 160),
                    "topic": pair["topic"] or "",
                }
                for pair in mistakes
            ],
            hide_index=True,
            column_config={"margin": st.column_config.NumberColumn(format="%.2f")},
        )
        chosen = IsOneOf(
            sample_ids=tuple(pair["sample_id"] for pair in mistakes),
            label=f"wrong pairs of {names.of_run(app, run_id)}",
        )
        shell.link("Explore", "See these rows on the map", filter=to_url(chosen))
