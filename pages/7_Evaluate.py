import streamlit as st

from kdcore.services import distillation, evaluation
from kdcore.ui import evaluate_panels, frame, state

with frame.page("Evaluate") as page:
    students = [
        r["run_id"]
        for r in distillation.list_runs(page.app, page.project_id)
        if distillation.has_student(page.app, r["run_id"])
    ]
    if not students:
        frame.empty("There is no student yet.", "Distill", "Train a student")
    runs = evaluation.list_runs(page.app, page.project_id)
    with st.expander("New comparison", icon=":material/add:", expanded=not runs), frame.guard():
        evaluate_panels.new_run(page.app, students)
    if runs:
        chosen = state.choose("Comparison", [run["run_id"] for run in runs], "run", clears=("page",))
        evaluate_panels.run_panel(page.app, page.project_id, chosen)
    evaluate_panels.ask(page.app, students)
