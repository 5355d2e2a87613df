"""What stands around every page: the stages as a menu, the chosen project, who reads, and what runs now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import streamlit as st

from kdcore.records.projects import Project
from kdcore.resources import LOGO, MAIN, MARK
from kdcore.services import projects
from kdcore.services.workspace import App
from kdcore.ui import live, state
from kdcore.ui.labels import escape, short

GUIDE_FILE = "8_Guide.py"
SHOW_RUNS = ("Generate", "Distill", "Evaluate")  # pages whose address names a run
STYLE = Path(__file__).parent / "browser" / "shell.css"
ABOUT = "From questions to a student model that you can explain."
# of the header's container; the style takes it to the right of the menu
WHERE: dict[str, Any] = {
    "key": "where",
    "horizontal": True,
    "vertical_alignment": "center",
    "gap": "small",
    "width": "content",
}
UNSEEN = "position:absolute;width:1px;height:1px;margin:0;padding:0;overflow:hidden;clip-path:inset(50%)"


class Stage(NamedTuple):
    """A page of the pipeline: its file beside the main script, its icon, its name, and the field's term for it."""

    file: str
    icon: str
    title: str
    term: str


# address → stage, in the order of work
PAGES: dict[str, Stage] = {
    "Elicit": Stage("1_Elicit.py", ":material/edit_note:", "Questions", "elicitation"),
    "Generate": Stage("2_Generate.py", ":material/bolt:", "Answers", "generation"),
    "Explore": Stage("3_Explore.py", ":material/scatter_plot:", "Map", "embedding and clusters"),
    "Review": Stage("4_Review.py", ":material/fact_check:", "Review", "annotation"),
    "Datasets": Stage("5_Datasets.py", ":material/inventory_2:", "Datasets", "dataset versions"),
    "Distill": Stage("6_Distill.py", ":material/school:", "Train", "distillation"),
    "Evaluate": Stage("7_Evaluate.py", ":material/compare_arrows:", "Compare", "evaluation"),
}

# page of the app → the part of the guide that is about it
GUIDE_OF = {
    "Home": "1",
    "Elicit": "2",
    "Review": "3",
    "Explore": "3",
    "Generate": "4",
    "Distill": "5",
    "Evaluate": "5",
}

# what in the address bar speaks of one project only
OF_A_PROJECT = (
    "run",
    "upload",
    "passages",
    "queue",
    "format",
    "sample",
    "filter",
    "dataset",
    "train",
    "prompt",
    "page",
    "map",
    "topics",
    "see",
    "step",
    "overlay",
)
GONE = "project.gone"
NAME, NAME_FIELD = "reviewer", "reviewer.field"
MAX_NAME = 80


def menu(home: Callable[[], None], reached: Mapping[str, str]) -> Any:
    """The page that was asked for, with the menu above it: drawn first, or all below would move down.

    ``reached`` tells for a stage where the project stands on it, such as ``35/115``.
    """
    pages = [st.Page(home, title="Home", default=True)]
    for address, stage in PAGES.items():
        title = f"{stage.title} {reached.get(address, '')}".strip()
        pages.append(st.Page(MAIN.with_name(stage.file), title=title, url_path=address))
    pages.append(st.Page(MAIN.with_name(GUIDE_FILE), title="Guide", url_path="Guide", visibility="hidden"))
    return st.navigation(pages, position="top")


def dress(title: str) -> None:
    """The tab's title and icon, the mark at the left of the menu, the style; all of them from this server."""
    # A named icon would be fetched from elsewhere; the theme's choice is in a menu that is there only with an entry.
    st.set_page_config(page_title=f"{title} · kd", page_icon=str(MARK), layout="wide", menu_items={"About": ABOUT})
    st.logo(LOGO, size="large")
    st.html(STYLE)
    if theme := st.context.theme.type:  # may be late by one run after a change
        st.html(f"<style>body {{ color-scheme: {theme} }}</style>")


def choose_project(app: App) -> Project | None:
    """The project of the address bar, else the one that this session was in, else the newest; None without any."""
    known = {project["project_id"]: project for project in projects.list_projects(app)}
    if not known:
        return None
    # The menu's own links drop the address bar, so the session remembers the project too.
    asked = state.param("project")
    if asked and asked not in known:
        st.session_state[GONE] = True  # said by the page, which comes after the menu
    tried = (asked, st.session_state.get("project_id"))
    picked = next((each for each in tried if each in known), [*known][-1])
    state.set_params(project=picked)
    st.session_state["project_id"] = picked
    return known[picked]


def header(app: App, address: str, title: str, chosen: Project | None) -> None:
    """The line at the right of the menu: what runs now, and the project with what is rarely needed.

    Its place comes after the page's, as the style takes it out of the flow. The page's name is for those who listen.
    """
    st.html(f'<h1 style="{UNSEEN}">{title}</h1>')
    _running(app)
    part = {"part": GUIDE_OF.get(address, "1"), "project": state.param("project")}
    with st.container(key="guide"):
        st.page_link(GUIDE_FILE, label="Guide", query_params=part)
    name = escape(short(chosen["name"], 40)) if chosen else "No project"
    with st.popover(name, type="tertiary", key="project-menu"):
        if chosen:
            names = {p["project_id"]: p["name"] for p in projects.list_projects(app)}
            state.choose("Project", list(names), "project", names.__getitem__, clears=OF_A_PROJECT)
        st.session_state.setdefault(NAME_FIELD, st.session_state.get(NAME, ""))
        st.text_input("Your name", key=NAME_FIELD, placeholder="Name on your decisions", on_change=_renamed)
        live.running_now(app)
        st.page_link(GUIDE_FILE, label="Guide", icon=":material/help:", query_params=part)


def _running(app: App) -> None:
    """What runs now, as a link to it."""

    @st.fragment(run_every=2.0)
    def strip() -> None:
        with st.container(key="running"):
            if now := live.now(app):
                link(now.page, now.text, run=now.run_id if now.page in SHOW_RUNS else "")

    strip()


def link(to: str, label: str, *, type_: str = "link", bare: bool = False, **params: str) -> None:
    """A link to a page that keeps the project and carries ``params``; works where a page stands alone too.

    ``label`` is plain text: names that people gave may stand in it. ``bare`` leaves the icon out.
    """
    query = {key: value for key, value in {"project": state.param("project"), **params}.items() if value}
    stage = PAGES[to]
    if type_ == "primary":
        key = f"go-{to}-{label}-{sorted(params.items())}"
        if st.button(escape(label), key=key, type="primary", icon=stage.icon):
            st.switch_page(stage.file, query_params=query)
    else:
        st.page_link(stage.file, label=escape(label), icon=None if bare else stage.icon, query_params=query)


def _renamed() -> None:
    st.session_state[NAME] = st.session_state[NAME_FIELD].strip()[:MAX_NAME]


def name_reviewer(name: str) -> None:
    """Take a name for this session, from another field or from what the browser remembers."""
    st.session_state[NAME] = st.session_state[NAME_FIELD] = name.strip()[:MAX_NAME]


def named_reviewer() -> str:
    """The name that was given, "" before."""
    return str(st.session_state.get(NAME) or "")


def reviewer() -> str:
    """The name that goes on decisions."""
    return named_reviewer() or "anonymous"
