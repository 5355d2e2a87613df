import streamlit as st

from kdcore.services import names
from kdcore.services.distill import runs as training_runs
from kdcore.services.evaluate import comparison
from kdcore.ui import frame
from kdcore.ui.evaluate import comparison as comparison_panel

with frame.page("Evaluate") as page:
    app, project = page.app, page.project_id
    students = {
        run_id: name
        for run_id, name in names.called(app, project, "distill").items()
        if training_runs.has_student(app, run_id)
    }
    if not students:
        frame.empty("There is no student yet.", "Distill", "Train a student")
    runs = comparison.list_runs(app, project)
    if runs:
        chosen = frame.run_head(app, project, "evaluate", "Comparison", ("page",))
        comparison_panel.figures_of_run(app, project, chosen)
    with st.expander("Compare again" if runs else "Compare", icon=":material/add:", expanded=not runs), frame.guard():
        comparison_panel.new_run(app, students)
    comparison_panel.ask(app, students)
