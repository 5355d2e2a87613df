import streamlit as st

from kdcore.services import projects
from kdcore.ui import frame, new_project
from kdcore.ui.elicit import gallery as gallery_panel
from kdcore.ui.elicit import prompt as prompt_panel
from kdcore.ui.elicit import seeds as seeds_panel
from kdcore.ui.elicit import trial as trial_panel

with frame.page("Elicit", needs_project=False) as page:
    if page.project is None:
        new_project.form(page.app)
        st.stop()
    counts = projects.seed_counts(page.app, page.project_id)
    seeds_tab, gallery_tab, prompt_tab, versions_tab = st.tabs(
        [
            ":material/database: Seeds",
            ":material/menu_book: Recipes",
            ":material/edit_note: Prompt",
            ":material/history: Versions",
        ],
        default=":material/edit_note: Prompt" if counts else None,
    )
    with seeds_tab, frame.guard():
        total = sum(row["rows"] for row in counts)
        st.caption(f"{total} seeds in this project" if total else "No seeds yet: import a file with questions.")
        seeds_panel.upload(page.app, page.project_id)
        if counts:
            st.dataframe(counts, hide_index=True, height=260, column_config={"rows": "seeds"})
        with st.expander("What this project may share", icon=":material/shield:"):
            seeds_panel.data_class(page.app, page.project_id)
    with gallery_tab, frame.guard():
        gallery_panel.gallery(page.app, page.project_id)
    with prompt_tab, frame.guard():
        template = prompt_panel.editor(page.app, page.project_id)
        left, right = st.columns(2)
        with left, frame.guard():
            prompt_panel.rendered(page.app, page.project_id, template)
        with right, frame.guard():
            trial_panel.trial(page.app, page.project_id, template)
    with versions_tab, frame.guard():
        prompt_panel.versions(page.app, page.project_id)
