import streamlit as st

from kdcore.services import projects
from kdcore.services.generate import runs as generation_runs
from kdcore.ui import frame
from kdcore.ui.generate import run as run_panel

with frame.page("Generate") as page:
    versions = projects.prompt_versions(page.app, page.project_id)
    if not projects.seed_counts(page.app, page.project_id):
        frame.empty("There are no questions yet.", "Elicit", "Import seed questions")
    if not versions:
        frame.empty("There is no prompt version yet.", "Elicit", "Write a prompt")
    runs = generation_runs.list_runs(page.app, page.project_id)
    chosen = frame.run_head(page.app, page.project_id, "generate", "Run", ("with",)) if runs else ""
    with st.expander("Ask the teacher again", icon=":material/add:", expanded=not runs), frame.guard():
        run_panel.new_run(page.app, page.project_id, versions)
    if not runs:
        st.info("No run yet. Start one above; answers can be read while it goes on.", icon=":material/info:")
        st.stop()
    run_panel.rows_of_run(page.app, page.project_id, chosen)
