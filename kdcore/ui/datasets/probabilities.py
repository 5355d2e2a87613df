"""Which rows of a version carry the teacher's word probabilities, and having it read those that don't."""

from __future__ import annotations

import streamlit as st

from kdcore.records.datasets import Version
from kdcore.services import models
from kdcore.services.datasets import scoring
from kdcore.services.distill import runs as training_runs
from kdcore.services.distill.input import same_tokens
from kdcore.services.workspace import App
from kdcore.ui import frame, live
from kdcore.ui.labels import escape, short


def token_probabilities(app: App, version: Version) -> None:
    """Rows with and without; one button that has a teacher read the rest."""
    dataset_id = version["dataset_id"]
    st.caption(
        "A student learns most from how likely the teacher found each word, not from the words alone. Answers that "
        "people mended, or that another model wrote, come without; a teacher on this machine can read them and say."
    )
    made = scoring.list_runs(app, dataset_id)
    model = st.text_input(
        "Teacher that reads", scoring.local_teacher_of(app, dataset_id), key=f"score-model-{dataset_id}"
    )
    tail = st.number_input(
        "Words drawn from the tail",
        0,
        64,
        key=f"score-tail-{dataset_id}",
        help="At each position this many of the less likely words are kept too, drawn by their probability, so that "
        'forward_kl with tail "drawn" leaves none out on average. Read by transformers, which is slower than vLLM.',
    )
    with st.spinner("Looking for stored probabilities…"):
        lacking = scoring.missing(app, dataset_id, model, tail=tail)
    with st.container(horizontal=True):
        st.metric("rows with probabilities", version["row_count"] - len(lacking), border=True)
        st.metric("rows without", len(lacking), border=True)
    if made and (live.is_active(made[0]["status"]) or made[0]["status"].state != "done" or made[0]["status"].message):
        frame.run_line(app, made[0]["run_id"])
    taught_by = training_runs.teacher_of(app, dataset_id)
    here = training_runs.local_teacher(app, taught_by, required=False)
    if here and taught_by not in same_tokens(app, model, {taught_by}):
        st.warning(
            f"A training on this version learns the words of {escape(taught_by)}, whose tokens are not those of "
            f"{escape(model)}: what that one says would not be used.",
            icon=":material/warning:",
        )
    if not lacking:
        st.info("Every row has them: a training can match the teacher's words on all of it.", icon=":material/check:")
        return
    if st.button(
        f"Let it read {len(lacking)} answers",
        type="primary",
        icon=":material/thermometer:",
        disabled=bool(made) and live.is_active(made[0]["status"]),
        key="datasets.score",
    ):
        engine = "transformers" if tail else models.default_engine()[0]
        reader = scoring.reader(app, dataset_id, engine, model)
        scoring.start(app, dataset_id, reader, tail_words=tail)
        st.rerun()
    with st.expander("Answers without", icon=":material/list:"):
        st.dataframe(
            [
                {"mended": row["edited"], "written by": row["teacher"], "answer": short(row["completion"], 240)}
                for row in lacking[:200]
            ],
            hide_index=True,
        )
