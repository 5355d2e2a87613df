import streamlit as st

from kdcore.services import names
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import runs as training_runs
from kdcore.ui import frame, shell, state
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
    if not runs:
        recipe_panel.recipe(page.app, page.project_id, versions)
        with st.expander("Rounds of its own data", icon=":material/autorenew:"):
            rounds_panel.rounds_panel(page.app, page.project_id)
        st.stop()
    if state.param("rounds") and not state.param("see"):
        state.set_params(see="rounds")
    chosen = frame.run_head(page.app, page.project_id, "distill", "Student", ("step",), can_pause=True)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        see = state.tab(curves_panel.VIEWS, "see")
        called = names.called(page.app, page.project_id, "distill")
        rest = [run_id for run_id in called if run_id != chosen]
        others: list[str] = []
        if rest and see == "curves":
            others = state.choose_many("Beside others", rest, "overlay", called.__getitem__, inline=True)
        if training_runs.has_student(page.app, chosen):
            shell.link("Evaluate", "Compare it", train=chosen)
    match see:
        case "rows":
            rows_panel.rows_panel(page.app, chosen)
        case "answers":
            rows_panel.answers_panel(page.app, chosen)
        case "compare":
            sweep_panel.compare_panel(page.app, runs)
        case "take":
            export_panel.export_student(page.app, chosen)
        case "new":
            recipe_panel.recipe(page.app, page.project_id, versions)
        case "rounds":
            rounds_panel.rounds_panel(page.app, page.project_id)
        case _:
            curves_panel.curves_panel(page.app, page.project_id, chosen, others)
