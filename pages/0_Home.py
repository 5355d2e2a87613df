"""The script that the server runs: the menu, then the page that was asked for; and Home itself."""

import streamlit as st

from kdcore.services import standing
from kdcore.ui import frame, new_project, shell
from kdcore.ui import home as home_panel


def home() -> None:
    with frame.page("Home", needs_project=False) as page:
        st.subheader("From questions to a student model that you can explain", anchor=False)
        if page.project is None:
            st.markdown("Start with a project: a name for one body of knowledge to distil.")
            new_project.form(page.app)
            return
        st.markdown("A large model answers your questions; you read and correct; a small model learns to answer so.")
        home_panel.picture(page.app, page.project_id)
        found = standing.standing(page.app, page.project_id)
        left, right = st.columns([2, 3], gap="large")
        with left, frame.guard():
            home_panel.next_action(found["next"])
            home_panel.plan(page.app, page.project_id)
        with right, frame.guard():
            home_panel.student_says(page.app, found["student"])
        with st.expander("Start another project", icon=":material/add:"):
            new_project.form(page.app)


shell.menu(home, frame.reached()).run()
