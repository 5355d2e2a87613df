"""The gallery of recipes on the Elicit page."""

from __future__ import annotations

import streamlit as st

from kdcore.elicitation import METHODS
from kdcore.elicitation.recipes import RECIPES, Recipe
from kdcore.services import projects
from kdcore.services.workspace import App
from kdcore.ui import state

FAMILIES = {
    "labeling": "Answer given questions",
    "expansion": "Grow new questions",
    "curation": "From topics and passages",
    "feedback": "Judge and mend answers",
    "self_knowledge": "Teach itself",
}


def gallery(app: App, project_id: str) -> None:
    """Ready recipes with a search; taking one makes a prompt version to change and run."""
    text = st.text_input("Find a recipe", placeholder="law, dialogue, harder…", key="elicit.find")
    wanted = text.lower().split()
    found = [
        r
        for r in RECIPES.values()
        if all(w in f"{r.name} {r.skill} {r.summary} {r.template.method} {_family(r)}".lower() for w in wanted)
    ]
    if not found:
        st.info("No recipe has these words. Try fewer, or begin with a method on the Prompt tab.")
    for skill in dict.fromkeys(recipe.skill for recipe in found):
        st.markdown(f"**{skill}**")
        places = st.columns(2)
        for number, recipe in enumerate(r for r in found if r.skill == skill):
            with places[number % 2].container(
                border=True, horizontal=True, vertical_alignment="center", horizontal_alignment="distribute"
            ):
                st.markdown(f"{recipe.summary}  \n:small[{recipe.name} · {recipe.template.method}]")
                st.button(
                    "Take it",
                    key=f"take-{recipe.name}",
                    icon=":material/content_copy:",
                    on_click=_take,
                    args=(app, project_id, recipe),
                )


def _family(recipe: Recipe) -> str:
    return FAMILIES[METHODS[recipe.template.method].family]


def _take(app: App, project_id: str, recipe: Recipe) -> None:
    name = recipe.name.replace("_", " ").capitalize()
    version = projects.save_prompt_version(app, project_id, name, recipe.template, f"from the recipe {recipe.name}")
    state.set_params(prompt=version)
    st.toast(f"{name} is on the Prompt tab now: change it, try it, save your own version.")
