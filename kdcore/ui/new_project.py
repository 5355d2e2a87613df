"""The form that starts a project."""

from __future__ import annotations

import streamlit as st

from kdcore.services import main_job, projects
from kdcore.services.workspace import App
from kdcore.ui import state
from kdcore.ui.frame import guard


def form(app: App) -> None:
    """Name and field of a new project; or the sample project, on real models."""
    with guard():
        with st.form("new-project", border=True):
            name = st.text_input("Name", placeholder="Patient leaflets in cardiology")
            domain = st.text_input("Field", placeholder="medicine, law, …", help="Fills {{domain}} in templates")
            if st.form_submit_button("Create project", type="primary", icon=":material/add:"):
                state.set_params(project=projects.create_project(app, name, domain))
                st.rerun()
        if main_job.load(app) is None and st.button(
            "Or watch the sample project run",
            icon=":material/play_circle:",
            help="120 questions, about five minutes on two cores",
        ):
            state.set_params(project=main_job.create(app, rows=120).project_id)
            st.rerun()
