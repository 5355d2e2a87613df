import streamlit as st

from kdcore.services import projects
from kdcore.services.generate import runs as generation_runs
from kdcore.ui import frame, state
from kdcore.ui.generate import run as run_panel

with frame.page("Generate") as page:
    versions = projects.prompt_versions(page.app, page.project_id)
    if not projects.seed_counts(page.app, page.project_id):
        frame.empty("There are no seeds yet.", "Elicit", "Import seed questions")
    if not versions:
        frame.empty("There is no prompt version yet.", "Elicit", "Write a prompt")
    runs = generation_runs.list_runs(page.app, page.project_id)
    with st.expander("New run", icon=":material/add:", expanded=not runs), frame.guard():
        run_panel.new_run(page.app, page.project_id, versions)
    if not runs:
        st.info("No run yet. Start one above; rows can be read while it goes on.", icon=":material/info:")
        st.stop()
    names = generation_runs.names(page.app, page.project_id)
    titles = {run["run_id"]: generation_runs.title(run, names[run["run_id"]]) for run in runs}
    chosen = state.choose("Run", list(titles), "run", titles.__getitem__, clears=("with",))
    run_panel.rows_of_run(page.app, page.project_id, chosen)
