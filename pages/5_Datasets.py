import streamlit as st

from kdcore.services.datasets import versions as dataset_versions
from kdcore.ui import frame, shell, state
from kdcore.ui.datasets import probabilities as probabilities_panel
from kdcore.ui.datasets import versions as versions_panel

with frame.page("Datasets") as page:
    versions = dataset_versions.list_datasets(page.app, page.project_id)
    with st.expander("Freeze a version", icon=":material/ac_unit:", expanded=not versions), frame.guard():
        versions_panel.freeze(page.app, page.project_id, state.selection())
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
        match state.tab(versions_panel.VIEWS, "see"):
            case "probabilities":
                probabilities_panel.token_probabilities(page.app, version)
            case "export":
                versions_panel.export(page.app, version)
            case "compare":
                versions_panel.compare(page.app, names, chosen)
            case _:
                versions_panel.rows(page.app, version)
    shell.link("Distill", "Train a student on this version", dataset=chosen)
