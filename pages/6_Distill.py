import streamlit as st

from kdcore.services import datasets, distillation
from kdcore.ui import distill_panels, frame, state

with frame.page("Distill") as page:
    versions = datasets.list_datasets(page.app, page.project_id)
    if not versions:
        frame.empty("There is no dataset version yet.", "Datasets", "Freeze a version")
    runs = distillation.list_runs(page.app, page.project_id)
    with st.expander("New training run", icon=":material/add:", expanded=not runs), frame.guard():
        distill_panels.recipe(page.app, page.project_id, versions)
    if not runs:
        st.info("No training run yet. Check the recipe above, then start it.", icon=":material/info:")
        st.stop()
    names = {run["run_id"]: f"{run['config']['name'] or 'Student'} · {run['run_id']}" for run in runs}
    ids = list(names)
    chosen = state.choose("Run", ids, "run", names.__getitem__)
    others: list[str] = []
    if len(ids) > 1:
        others = st.multiselect(
            "Overlay", [i for i in ids if i != chosen], format_func=names.__getitem__, key="distill.overlay"
        )
    distill_panels.run_panel(page.app, chosen, others)
    if distillation.has_student(page.app, chosen):
        frame.link("Evaluate", "Compare this student with base and teacher", train=chosen)
