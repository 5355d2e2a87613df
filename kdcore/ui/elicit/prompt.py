"""Panels of the Elicit page about a prompt: the editor, the rendered requests, its versions."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import Method
from kdcore.elicitation.template import variables
from kdcore.services import projects
from kdcore.services.elicit import seeds as method_seeds
from kdcore.services.elicit import trial
from kdcore.services.workspace import App
from kdcore.ui import forms, shell, state
from kdcore.ui.elicit.gallery import FAMILIES
from kdcore.ui.labels import escape


def editor(app: App, project_id: str) -> PromptTemplate:
    """Edit a template; saving keeps an immutable version."""
    known = projects.prompt_versions(app, project_id)
    start = next((v for v in known if v["prompt_version_id"] == state.param("prompt")), known[0] if known else None)
    begin = PromptTemplate.model_validate(start["content"]) if start else METHODS["direct"].template
    key = f"elicit.{start['prompt_version_id'] if start else 'new'}"
    name = st.selectbox(
        "Method",
        list(METHODS),
        index=list(METHODS).index(begin.method),
        format_func=lambda m: f"{FAMILIES[METHODS[m].family]} · {m.replace('_', ' ')}",
        key=f"{key}.method",
    )
    chosen = METHODS[name]
    if chosen.name != begin.method:
        begin, key = chosen.template, f"{key}.{chosen.name}"
    st.caption(f"{chosen.summary}. {chosen.source}.")
    st.caption(f":material/warning: {chosen.warning}")
    title = st.text_input("Name", value=start["name"] if start else "First prompt", key=f"{key}.name")
    system = st.text_area("System message", value=begin.system, height=100, key=f"{key}.system")
    user = st.text_area("Question template", value=begin.user, height=80, key=f"{key}.user")
    settings = _settings(chosen, begin, key)
    examples = _examples(begin, key)
    template = PromptTemplate(method=chosen.name, system=system, user=user, examples=examples, method_config=settings)
    with st.container(horizontal=True, vertical_alignment="center"):
        if st.button("Save as a version", type="primary", icon=":material/save:"):
            version = projects.save_prompt_version(app, project_id, title, template)
            state.set_params(prompt=version)
            st.toast("Kept. A version is never changed; edit and save makes the next one.")
        used = ", ".join(f"{{{{{v}}}}}" for v in variables(template)) or "none"
        st.caption(f"Variables used: {escape(used)}. Every column of your file can be one.")
    return template


def _settings(method: Method, begin: PromptTemplate, key: str) -> dict[str, Any]:
    """The method's own settings as a form; only what differs from the defaults becomes part of the version."""
    fields = list(method.config.model_fields)
    start = forms.load(method.config, begin.method_config)
    with st.expander(f"Settings of the method ({len(fields)})", icon=":material/tune:"):
        values = forms.draw(method.config, f"{key}.config", fields, start)
    given = forms.load(method.config, values)
    return {
        name: value
        for name, value in given.model_dump(mode="json").items()
        if value != method.config().model_dump(mode="json")[name]
    }


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
    requests = trial.requests_for(app, project_id, template)
    if not requests:
        st.info(method_seeds.missing(template.method).capitalize(), icon=":material/info:")
    pool = method_seeds.pool_of(app, project_id, template.method)
    for number, request in enumerate(requests, start=1):
        with st.expander(f"Request {number}", expanded=number == 1):
            for chat in trial.first_calls(template, request, pool):
                for message in chat:
                    st.caption(message["role"])
                    st.code(message["content"], language=None, wrap_lines=True)
    if requests and not METHODS[template.method].many:
        st.caption("This method asks on from what comes back; a trial shows every step.")


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
            shell.link("Elicit", "Open", prompt=version["prompt_version_id"])
    if len(known) > 1:
        names = {v["prompt_version_id"]: f"{v['name']} v{v['version']}" for v in known}
        left, right = st.columns(2)
        old = left.selectbox("From", list(names), index=1, format_func=names.__getitem__)
        new = right.selectbox("To", list(names), index=0, format_func=names.__getitem__)
        by_id = {v["prompt_version_id"]: v for v in known}
        st.code(projects.diff_versions(by_id[old], by_id[new]) or "no difference", language="diff", wrap_lines=True)
