"""From a training back to its data: the rows of a step, the hardest rows, and what the student says."""

from __future__ import annotations

from collections.abc import Sequence

import streamlit as st

from kdcore.configs.selection import IsOneOf, to_url
from kdcore.evaluate.measures import in_order
from kdcore.records.runs import HardRow, StepRow
from kdcore.services import names
from kdcore.services.distill import runs as training_runs
from kdcore.services.workspace import App
from kdcore.ui import shell, state
from kdcore.ui.labels import escape, short
from kdcore.ui.safe_html import safe_html


def rows_panel(app: App, run_id: str) -> None:
    """From a step to the rows that it was made of, and from there to the data; and the hardest rows of all."""
    left, right = st.columns(2)
    with left:
        step = st.number_input("Rows of step", min_value=1, value=max(1, state.number("step", 1)), key="distill.step")
        state.set_params(step=int(step))
        rows = training_runs.rows_of_step(app, run_id, int(step))
        if rows:
            _table(rows, {"loss": "loss"}, f"step-{step}")
            _open(rows, f"step {step} of {names.of_run(app, run_id)}")
        else:
            st.info("No rows are known of this step: it is still to come, or the run is from before they were kept.")
    with right:
        st.markdown("**Hardest when last met**")
        rows = training_runs.hardest(app, run_id)
        if rows:
            _table(rows, {"first": "first loss", "last": "last loss", "times": "times met"}, "hardest")
            _open(rows, f"the hardest rows of {names.of_run(app, run_id)}")


def _table(rows: Sequence[StepRow | HardRow], figures: dict[str, str], key: str) -> None:
    mixed = any(row["slice"] for row in rows)  # losses of two slices are not the same measure
    shown = [
        ({"slice": row["slice"] + 1} if mixed else {})
        | {title: row[name] for name, title in figures.items()}
        | {"question": short(row["question"] or "", 160), "topic": row["topic"] or ""}
        for row in rows
    ]
    numbers = {
        title: st.column_config.NumberColumn(format="%d" if name == "times" else "%.3f")
        for name, title in figures.items()
    }
    st.dataframe(shown, hide_index=True, column_config=numbers, key=f"rows-{key}")


def _open(rows: Sequence[StepRow | HardRow], label: str) -> None:
    ids = tuple(dict.fromkeys(row["sample_id"] for row in rows))
    shell.link("Explore", "See these rows on the map", filter=to_url(IsOneOf(sample_ids=ids, label=label)))


def answers_panel(app: App, run_id: str) -> None:
    """The same held-out questions at each evaluation: the answer to learn, and what the student said."""
    found = training_runs.answers(app, run_id)
    if not found:
        st.info("The student has said nothing yet: it answers at each evaluation.", icon=":material/chat:")
        return
    steps = sorted({row["step"] for row in found})
    step = st.select_slider("After step", steps, value=steps[-1], key=f"answers-{run_id}") if steps[1:] else steps[0]
    for row in [row for row in found if row["step"] == step]:
        with st.container(border=True):
            st.markdown(f"**{escape(short(row['question'] or '', 300))}**")
            left, right = st.columns(2)
            left.caption("The answer to learn")
            left.html(safe_html(row["reference"] or ""))
            figures = [f"{m.title} {m.form.format(row['measures'][m.name])}" for m in in_order(row["measures"])]
            right.caption(" · ".join([f"The student after step {step}", *figures]))
            right.html(safe_html(row["completion"]) or "<i>nothing</i>")
            shell.link("Explore", "Open the sample", sample=row["sample_id"])
