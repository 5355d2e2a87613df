import streamlit as st

from kdcore.services import datasets
from kdcore.ui import dataset_panels, frame, score_panel, state

with frame.page("Datasets") as page:
    versions = datasets.list_datasets(page.app, page.project_id)
    with st.expander("Freeze a version", icon=":material/ac_unit:", expanded=not versions), frame.guard():
        dataset_panels.freeze(page.app, page.project_id, state.selection())
    if not versions:
        st.info(
            "No version yet. A version never changes, so a training run can always be explained.",
            icon=":material/info:",
        )
        st.stop()
    names = {v["dataset_id"]: f"{v['name']} v{v['version']} · {v['row_count']} rows" for v in versions}
    chosen = state.choose("Version", list(names), "dataset", names.__getitem__)
    version = next(v for v in versions if v["dataset_id"] == chosen)
    with frame.guard():
        match state.tab(dataset_panels.VIEWS, "see"):
            case "probabilities":
                score_panel.show(page.app, version)
            case "export":
                dataset_panels.export(page.app, version)
            case "compare":
                dataset_panels.compare(page.app, names, chosen)
            case _:
                dataset_panels.rows(page.app, version)
    frame.link("Distill", "Train a student on this version", dataset=chosen)
