"""Taking a student away: its card, and copies to download."""

from __future__ import annotations

import re

import streamlit as st

from kdcore.services import names
from kdcore.services.distill import runs as training_runs
from kdcore.services.export import datasets as dataset_export
from kdcore.services.export import students
from kdcore.services.workspace import App
from kdcore.ui import frame, live, shell
from kdcore.ui.labels import escape
from kdcore.ui.safe_html import safe_html


def export_student(app: App, run_id: str) -> None:
    """The student's card, and copies of it to download."""
    if training_runs.model_folder(app, run_id) is None:
        st.info("The student is there once the training has ended, or was stopped and kept.", icon=":material/info:")
        return
    made = students.exports(app, run_id)
    active = next((run["run_id"] for run in made if live.is_active(run["status"])), run_id)
    frame.while_active(app, active, lambda: _copies(app, run_id))
    text = students.card(app, run_id)
    with st.container(border=True):
        st.download_button(
            "Download the card", text, f"{_file_name(app, run_id)}-card.md", icon=":material/description:"
        )
        st.html(safe_html(text.split("---", 2)[2]))  # without the lines that only model hubs read


def _file_name(app: App, run_id: str) -> str:
    """The student's name as the beginning of a file's."""
    return "-".join(re.findall(r"\w+", names.of_run(app, run_id).lower())) or "student"


def _copies(app: App, run_id: str) -> None:
    forms = (
        students.FORMATS if training_runs.has_student(app, run_id) else {"safetensors": "A folder for transformers"}
    )
    for form, words in forms.items():
        made = [run for run in students.exports(app, run_id) if run["config"]["form"] == form]
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(f"**{form}**: {words}")
            newest = made[0] if made else None
            if newest and newest["status"].state == "done":
                name = newest["run_id"]
                file = f"{_file_name(app, run_id)}-{form}.zip"
                st.download_button(
                    "Download",
                    lambda name=name: students.archive(app, name).read_bytes(),
                    file,
                    key=f"get-{form}",
                    on_click=dataset_export.log_export,
                    args=(app, run_id, form, 0, shell.reviewer(), "download"),
                    icon=":material/download:",
                )
                st.caption(escape(newest["status"].message))
            elif newest and live.is_active(newest["status"]):
                live.status_line(newest["run_id"], newest["status"])
            else:
                if newest:
                    live.status_line(newest["run_id"], newest["status"])
                if st.button("Prepare", key=f"take-{form}", icon=":material/build:"):
                    students.start_export(app, run_id, form)
                    st.rerun()
