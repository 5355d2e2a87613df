import streamlit as st

from kdcore.services import projects
from kdcore.ui import elicit_panels, frame, new_project, state

with frame.page("Elicit", needs_project=False) as page:
    if page.project is None:
        new_project.form(page.app)
        st.stop()
    counts = projects.seed_counts(page.app, page.project_id)
    seeds_tab, prompt_tab, versions_tab = st.tabs(
        [":material/database: Seeds", ":material/edit_note: Prompt", ":material/history: Versions"],
        default=":material/edit_note: Prompt" if counts and not state.param("prompt") else None,
    )
    with seeds_tab, frame.guard():
        total = sum(row["rows"] for row in counts)
        st.caption(f"{total} seeds in this project" if total else "No seeds yet: import a file with questions.")
        elicit_panels.upload(page.app, page.project_id)
        if counts:
            st.dataframe(counts, hide_index=True, height=260, column_config={"rows": "seeds"})
    with prompt_tab, frame.guard():
        template = elicit_panels.editor(page.app, page.project_id)
        left, right = st.columns(2)
        with left, frame.guard():
            elicit_panels.rendered(page.app, page.project_id, template)
        with right, frame.guard():
            elicit_panels.trial(page.app, page.project_id, template)
    with versions_tab, frame.guard():
        elicit_panels.versions(page.app, page.project_id)
