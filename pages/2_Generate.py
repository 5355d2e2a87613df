import streamlit as st

from kdcore.services import generation, projects
from kdcore.ui import frame, generate_panels, state

with frame.page("Generate") as page:
    versions = projects.prompt_versions(page.app, page.project_id)
    if not projects.seed_counts(page.app, page.project_id):
        frame.empty("There are no seeds yet.", "Elicit", "Import seed questions")
    if not versions:
        frame.empty("There is no prompt version yet.", "Elicit", "Write a prompt")
    runs = generation.list_runs(page.app, page.project_id)
    with st.expander("New run", icon=":material/add:", expanded=not runs), frame.guard():
        generate_panels.new_run(page.app, page.project_id, versions)
    if not runs:
        st.info("No run yet. Start one above; rows can be read while it goes on.", icon=":material/info:")
        st.stop()
    names = generation.names(page.app, page.project_id)
    titles = {run["run_id"]: generation.title(run, names[run["run_id"]]) for run in runs}
    chosen = state.choose("Run", list(titles), "run", titles.__getitem__, clears=("with",))
    generate_panels.run_panel(page.app, page.project_id, chosen)
