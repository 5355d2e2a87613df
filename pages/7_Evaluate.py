import streamlit as st

from kdcore.services.distill import runs as training_runs
from kdcore.services.evaluate import comparison
from kdcore.ui import frame, state
from kdcore.ui.evaluate import comparison as comparison_panel

with frame.page("Evaluate") as page:
    students = [
        r["run_id"]
        for r in training_runs.list_runs(page.app, page.project_id)
        if training_runs.has_student(page.app, r["run_id"])
    ]
    if not students:
        frame.empty("There is no student yet.", "Distill", "Train a student")
    runs = comparison.list_runs(page.app, page.project_id)
    with st.expander("New comparison", icon=":material/add:", expanded=not runs), frame.guard():
        comparison_panel.new_run(page.app, students)
    if runs:
        chosen = state.choose("Comparison", [run["run_id"] for run in runs], "run", clears=("page",))
        comparison_panel.figures_of_run(page.app, page.project_id, chosen)
    comparison_panel.ask(page.app, students)
