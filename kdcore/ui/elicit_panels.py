"""Panels of the Elicit page: upload, template editor, rendered requests, trial on three rows, versions."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import streamlit as st

from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.configs.uploads import ROLES
from kdcore.elicitation import METHODS
from kdcore.elicitation.template import variables
from kdcore.errors import JobError
from kdcore.services import generation, projects
from kdcore.services.app import App
from kdcore.types import TERMINAL_STATES
from kdcore.ui import frame, live, state, teacher_form
from kdcore.ui.words import escape, safe_html, strong_html

KINDS = {"question": "Questions", "document": "Source passages"}


# ---- seeds ------------------------------------------------------------------------------------------
def upload(app: App, project_id: str) -> None:
    """Choose a file, look at it, say which column is what, import."""
    kind = st.segmented_control(
        "What is in the file?", list(KINDS), format_func=KINDS.__getitem__, default="question", required=True
    )
    file = st.file_uploader(
        "File", type=["csv", "tsv", "jsonl", "json", "parquet", "xlsx", "txt", "md"], help="At most 200 MB"
    )
    if file is not None:
        key = f"{project_id}-{file.file_id}-{kind}"
        if st.session_state.get("elicit.upload_key") != key:
            st.session_state["elicit.upload_key"] = key
            st.session_state["elicit.upload_run"] = _read(app, project_id, file, kind or "question", None)
            st.session_state.pop("elicit.import_run", None)
        _preview_panel(app, project_id, file, kind or "question", st.session_state["elicit.upload_run"])


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
            st.session_state["elicit.import_run"] = _read(app, project_id, file, kind, mapping)
            app.wait(st.session_state["elicit.import_run"], timeout_s=60)
            st.rerun()
    done = st.session_state.get("elicit.import_run")
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


# ---- the template -----------------------------------------------------------------------------------
def editor(app: App, project_id: str) -> PromptTemplate:
    """Edit a template; saving keeps an immutable version."""
    known = projects.prompt_versions(app, project_id)
    start = next((v for v in known if v["prompt_version_id"] == state.param("prompt")), known[0] if known else None)
    method_names = list(METHODS)
    begin = PromptTemplate.model_validate(start["content"]) if start else METHODS["direct"].template
    key = f"elicit.{start['prompt_version_id'] if start else 'new'}"
    method = st.segmented_control(
        "Method",
        method_names,
        default=begin.method,
        format_func=lambda m: m.replace("_", " "),
        key=f"{key}.method",
        required=True,
    )
    chosen = METHODS[method or "direct"]
    if chosen.name != begin.method:
        begin, key = chosen.template, f"{key}.{chosen.name}"
    st.caption(f"{chosen.summary}. :material/warning: {chosen.warning}")
    name = st.text_input("Name", value=start["name"] if start else "First prompt", key=f"{key}.name")
    system = st.text_area("System message", value=begin.system, height=100, key=f"{key}.system")
    user = st.text_area("Question template", value=begin.user, height=80, key=f"{key}.user")
    examples = _examples(begin, key)
    template = PromptTemplate(
        method=chosen.name, system=system, user=user, examples=examples, method_config=begin.method_config
    )
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Save as a version", type="primary", icon=":material/save:"):
            version = projects.save_prompt_version(app, project_id, name, template)
            state.set_params(prompt=version)
            st.toast("Kept. A version is never changed; edit and save makes the next one.")
        used = ", ".join(f"{{{{{v}}}}}" for v in variables(template)) or "none"
        st.caption(f"Variables used: `{used}`. Every column of your file can be one.")
    return template


def _examples(begin: PromptTemplate, key: str) -> tuple[Example, ...]:
    with st.expander(f"Worked examples ({len(begin.examples)})", icon=":material/lightbulb:"):
        st.caption("Shown to the teacher before each question. Rows with an empty side are left out.")
        rows = [e.model_dump() for e in begin.examples] or [{"user": "", "assistant": ""}]
        edited = st.data_editor(
            rows,
            num_rows="dynamic",
            key=f"{key}.examples",
            hide_index=True,
            column_config={"user": "Question", "assistant": "Good answer"},
        )
    complete = [r for r in edited if (r.get("user") or "").strip() and (r.get("assistant") or "").strip()]
    return tuple(Example(user=r["user"], assistant=r["assistant"]) for r in complete)


def rendered(app: App, project_id: str, template: PromptTemplate) -> None:
    """The first requests exactly as they will be sent."""
    st.subheader("What will be sent", anchor=False)
    requests = generation.render(app, project_id, template)
    if not requests:
        st.info("Import seed questions to see the requests.", icon=":material/info:")
    for number, request in enumerate(requests, start=1):
        with st.expander(f"Request {number}", expanded=number == 1):
            for message in request.messages:
                st.caption(message["role"])
                st.code(message["content"], language=None, wrap_lines=True)


# ---- trial ------------------------------------------------------------------------------------------
def trial(app: App, project_id: str, template: PromptTemplate) -> None:
    """Ask three rows of a warm teacher, with the full run's settings and code."""
    st.subheader("Try on 3 rows", anchor=False)
    with st.expander("Teacher and sampling, as the full run will use them", icon=":material/smart_toy:"):
        teacher, sampling = teacher_form.choose()
    if st.button("Ask the teacher", icon=":material/bolt:", key="elicit.try"):
        started = generation.start_preview(app, project_id, template, teacher, sampling)
        st.session_state["elicit.trial"] = (*started, template)
    if "elicit.trial" in st.session_state:
        _trial_panel(app)
    else:
        st.caption(
            f"Asks {escape(teacher.model)} with the settings of the full run. "
            "The first answer takes up to a minute while the teacher loads; then it stays warm."
        )


def _trial_panel(app: App) -> None:
    run_id, key, requests, template = st.session_state["elicit.trial"]
    waiting = st.session_state.get("elicit.trial_done") != key

    @st.fragment(run_every=1.0 if waiting else None)
    def panel() -> None:
        with frame.guard():
            results = generation.preview_answer(app, run_id, key, template, requests)
            if results is None:
                st.progress(0.0, text=f"{app.status(run_id).message or 'starting'}…")
                return
            for result in results:
                _trial_answer(result)
            if waiting:
                st.session_state["elicit.trial_done"] = key
                st.rerun()

    panel()


def _trial_answer(result: dict[str, Any]) -> None:
    parsed, reply = result["parsed"], result["reply"]
    with st.container(border=True):
        st.html(strong_html(result["request"].messages[-1]["content"]))
        if parsed.status == "parsed":
            if parsed.rationale:
                st.caption("Reasoning")
                st.html(safe_html(parsed.rationale))
                st.caption("Answer")
            st.html(safe_html(parsed.answer))
        else:
            st.warning(f"{parsed.status}: {escape(parsed.reason)}", icon=":material/error:")
            st.code(reply.text, language=None, wrap_lines=True)
        st.caption(f"{reply.completion_tokens} tokens · {reply.finish_reason}")


# ---- versions ---------------------------------------------------------------------------------------
def versions(app: App, project_id: str) -> None:
    """All versions with the rows each has made, and the difference of two."""
    known = projects.prompt_versions(app, project_id)
    if not known:
        st.info("No version yet: write a prompt and save it.", icon=":material/info:")
        return
    for version in known:
        with st.container(border=True, horizontal=True, vertical_alignment="center"):
            st.markdown(
                f"**{escape(version['name'])}** v{version['version']} · {version['method'].replace('_', ' ')}"
            )
            share = f", {version['parsed'] / version['rows']:.0%} usable" if version["rows"] else ""
            st.caption(f"{version['rows']} rows{share}. {escape(version['note'] or '')}")
            frame.link("Elicit", "Open", prompt=version["prompt_version_id"])
    if len(known) > 1:
        names = {v["prompt_version_id"]: f"{v['name']} v{v['version']}" for v in known}
        left, right = st.columns(2)
        old = left.selectbox("From", list(names), index=1, format_func=names.__getitem__)
        new = right.selectbox("To", list(names), index=0, format_func=names.__getitem__)
        by_id = {v["prompt_version_id"]: v for v in known}
        st.code(projects.diff_versions(by_id[old], by_id[new]) or "no difference", language="diff", wrap_lines=True)
