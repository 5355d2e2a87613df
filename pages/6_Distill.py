import streamlit as st

from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import runs as training_runs
from kdcore.ui import frame, state
from kdcore.ui.distill import curves as curves_panel
from kdcore.ui.distill import export as export_panel
from kdcore.ui.distill import recipe as recipe_panel
from kdcore.ui.distill import rounds as rounds_panel
from kdcore.ui.distill import rows as rows_panel
from kdcore.ui.distill import sweep as sweep_panel

with frame.page("Distill") as page:
    versions = dataset_versions.list_datasets(page.app, page.project_id)
    if not versions:
        frame.empty("There is no dataset version yet.", "Datasets", "Freeze a version")
    runs = training_runs.list_runs(page.app, page.project_id)
    with st.expander("New training run", icon=":material/add:", expanded=not runs), frame.guard():
        recipe_panel.recipe(page.app, page.project_id, versions)
    with st.expander("Rounds of its own data", icon=":material/autorenew:", expanded=bool(state.param("rounds"))):
        rounds_panel.rounds_panel(page.app, page.project_id)
    if not runs:
        st.info("No training run yet. Check the recipe above, then start it.", icon=":material/info:")
        st.stop()
    names = {run["run_id"]: training_runs.title(run) for run in runs}
    ids = list(names)
    chosen = state.choose("Run", ids, "run", names.__getitem__, clears=("step",))
    frame.run_panel(page.app, chosen, lambda: None, can_pause=True)
    match state.tab(curves_panel.VIEWS, "see"):
        case "rows":
            rows_panel.rows_panel(page.app, chosen)
        case "answers":
            rows_panel.answers_panel(page.app, chosen)
        case "compare":
            sweep_panel.compare_panel(page.app, runs)
        case "take":
            export_panel.export_student(page.app, chosen)
        case _:
            rest = [run_id for run_id in ids if run_id != chosen]
            others = state.choose_many("Overlay", rest, "overlay", names.__getitem__) if rest else []
            curves_panel.curves_panel(page.app, chosen, others)
    if training_runs.has_student(page.app, chosen):
        frame.link("Evaluate", "Compare this student with base and teacher", train=chosen)
