"""Panels of the Elicit page about seeds: upload with a preview and column mapping, and what may be shared."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from kdcore.configs.uploads import ROLES
from kdcore.errors import JobError
from kdcore.services import governance, projects
from kdcore.services.workspace import App
from kdcore.types import TERMINAL_STATES
from kdcore.ui import live, state
from kdcore.ui.labels import escape

KINDS = {"question": "Questions", "document": "Source passages"}


def upload(app: App, project_id: str) -> None:
    """Choose a file, look at it, say which column is what, import."""
    kind = st.segmented_control(
        "What is in the file?", list(KINDS), format_func=KINDS.__getitem__, default="question", required=True
    )
    file = st.file_uploader(
        "File",
        type=["csv", "tsv", "jsonl", "json", "parquet", "xlsx", "txt", "md"],
        help="At most 200 MB",
        key=state.own("elicit.file"),
    )
    if file is not None:
        key = f"{project_id}-{file.file_id}-{kind}"
        if state.of_project().get("elicit.upload_key") != key:
            state.of_project()["elicit.upload_key"] = key
            state.of_project()["elicit.upload_run"] = _read(app, project_id, file, kind or "question", None)
            state.of_project().pop("elicit.import_run", None)
        _preview_panel(app, project_id, file, kind or "question", state.of_project()["elicit.upload_run"])


def _read(app: App, project_id: str, file: Any, kind: str, mapping: dict[str, str] | None) -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / Path(file.name).name
        path.write_bytes(file.getbuffer())
        return projects.read_file(app, project_id, path, file.name, kind, mapping).run_id  # pyright: ignore[reportArgumentType]


def _preview_panel(app: App, project_id: str, file: Any, kind: str, run_id: str) -> None:
    @st.fragment(run_every=None if app.status(run_id).state in TERMINAL_STATES else 0.7)
    def panel() -> None:
        status = app.status(run_id)
        live.rerun_when_ended(run_id, status)
        if status.state not in TERMINAL_STATES:
            st.caption("Reading the file…")
        elif status.state == "failed":
            st.error(escape(status.message), icon=":material/error:")
        else:
            _mapping_form(app, project_id, file, kind, run_id)

    panel()


def _mapping_form(app: App, project_id: str, file: Any, kind: str, run_id: str) -> None:
    found = _found(app, run_id)
    st.dataframe(found["rows"], hide_index=True, height=200)
    guess = projects.guess_mapping(found["columns"], kind)  # pyright: ignore[reportArgumentType]
    with st.form(f"mapping-{run_id}", border=True):
        st.caption(f"{found['row_count']} rows. Which column is what?")
        columns = st.columns(len(ROLES))
        chosen = {
            role: place.selectbox(
                role.capitalize(),
                ["", *found["columns"]],
                index=(found["columns"].index(guess[role]) + 1) if role in guess else 0,
            )
            for role, place in zip(ROLES, columns, strict=True)
        }
        if st.form_submit_button("Import", type="primary", icon=":material/upload:"):
            mapping = {role: column for role, column in chosen.items() if column}
            state.of_project()["elicit.import_run"] = _read(app, project_id, file, kind, mapping)
            app.wait(state.of_project()["elicit.import_run"], timeout_s=60)
            st.rerun()
    done = state.of_project().get("elicit.import_run")
    if done:
        result = _found(app, done)
        new = projects.new_seeds(app, done)
        known = f", {result['imported'] - new} were there already" if new < result["imported"] else ""
        st.success(f"{new} seeds imported{known}.", icon=":material/check:")
        found = result
    if found["rejected"]:
        with st.expander(f"{found['rejected_count']} rows can't be used", icon=":material/error:"):
            st.dataframe(found["rejected"], hide_index=True)


def _found(app: App, run_id: str) -> dict[str, Any]:
    path = app.run_dir(run_id).path / "preview.json"
    if not path.exists():
        raise JobError(app.status(run_id).message or f"run {run_id} left no preview; choose the file again.")
    return json.loads(path.read_bytes())


def data_class(app: App, project_id: str) -> None:
    """What kind of text this project holds, and the agreement that lets it leave this machine."""
    held = governance.policy(app, project_id)
    with st.form("data-class", border=False):
        options = list(governance.DATA_CLASSES)
        chosen = st.selectbox(
            "This project holds",
            options,
            index=options.index(held["data_class"]),
            format_func=governance.WORDS.__getitem__,
            help="Health data and privileged text are read by a teacher on this machine only.",
        )
        contract = st.text_input(
            "Agreement with the endpoint", value=held["contract"], help="Such as the number of a BAA or DPA"
        )
        if st.form_submit_button("Keep", icon=":material/save:"):
            governance.set_data_class(app, project_id, chosen, contract or "")
            st.toast("Kept.")
