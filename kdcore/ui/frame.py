"""The frame of every page: opened workspace, project, what runs now, and errors as sentences.

A page's first line is ``with frame.page("Elicit") as page:``; nothing that a page needs lives in home.py,
because a deep link on a fresh server may run the page alone.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import streamlit as st
from streamlit.errors import StreamlitPageNotFoundError

from kdcore.errors import ConfigError, KdError, is_full_disk
from kdcore.records.projects import Project
from kdcore.resources import MARK
from kdcore.services import projects
from kdcore.services.background import Background
from kdcore.services.workspace import App
from kdcore.services.workspace import open_app as open_workspace
from kdcore.settings import PRIVATE, workspace
from kdcore.ui import live, state
from kdcore.ui.labels import escape, sentence
from kdcore.ui.server import refuse_open_server

log = logging.getLogger(__name__)

# name → (file, icon, what it is for); the order is the order of work
PAGES: dict[str, tuple[str, str, str]] = {
    "Elicit": ("pages/1_Elicit.py", ":material/edit_note:", "Seeds and prompts"),
    "Generate": ("pages/2_Generate.py", ":material/bolt:", "Ask the teacher"),
    "Explore": ("pages/3_Explore.py", ":material/scatter_plot:", "See what came back"),
    "Review": ("pages/4_Review.py", ":material/fact_check:", "Read and judge"),
    "Datasets": ("pages/5_Datasets.py", ":material/inventory_2:", "Freeze and export"),
    "Distill": ("pages/6_Distill.py", ":material/school:", "Train a student"),
    "Evaluate": ("pages/7_Evaluate.py", ":material/compare_arrows:", "Compare and go back"),
}


HOME: list[Any] = []  # the home page, once home.py has run in this server

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


@dataclass(frozen=True, slots=True)
class Page:
    """What a page works with."""

    app: App
    project: Project | None

    @property
    def project_id(self) -> str:
        """The chosen project's id; raises ConfigError where there is none yet."""
        if self.project is None:
            raise ConfigError("there is no project yet; create one on the Elicit page.")
        return self.project["project_id"]


@st.cache_resource(on_release=Background.close, show_spinner="Opening the workspace")
def _opened(root: str) -> Background:
    """The one open workspace of this server, shared by every session; its work goes on by itself."""
    os.umask(PRIVATE)
    return Background(open_workspace(root)).start()


def open_app(root: str) -> App:
    """What services are handed."""
    return _opened(root).app


@contextmanager
def page(title: str, *, needs_project: bool = True) -> Iterator[Page]:
    """Draw the frame, then the page; a mistake of the user's becomes one sentence, ours is logged in full."""
    st.set_page_config(page_title=f"{title} · kd", page_icon=str(MARK), layout="wide")  # a name of an icon is fetched
    app = _open_or_stop()
    with guard():
        chosen = _sidebar(app)
        st.title(title, anchor=False)
        if title in PAGES:
            st.caption(PAGES[title][2])
        if needs_project and chosen is None:
            empty("There is no project yet.", "Elicit", "Create a project")
        _problems(app.problems)
        yield Page(app, chosen)


def _open_or_stop() -> App:
    """The open workspace; where there is none to show, why and what to do, and nothing else of the page."""
    folder = workspace().root
    try:
        refuse_open_server(st.get_option)
        return open_app(str(folder))
    except KdError as exc:
        st.error(sentence(str(exc)), icon=":material/error:")
    except Exception as exc:
        log.exception("the workspace can't be opened")
        st.error(
            f"The workspace can't be opened ({type(exc).__name__}). Nothing in it is lost: its runs and decisions "
            "stand in files beside the database.",
            icon=":material/error:",
        )
        st.markdown(
            "1. Is the disk full, or not yours to write? Free some space, or mend the rights, and reload this page.\n"
            "2. Else end this app and run `kd rebuild`: it sets the damaged database aside and makes a new one from "
            "the runs and the decisions.\n"
            "3. Start the app again."
        )
        st.caption(str(folder))
    st.stop()


def _problems(found: list[str], at_once: int = 3) -> None:
    """What could not be read or done: what people decided first, and none left out."""
    ordered = sorted(found, key=lambda problem: "ecision" not in problem)
    for problem in ordered[:at_once]:
        st.warning(escape(problem), icon=":material/warning:")
    if more := ordered[at_once:]:
        with st.expander(
            f"{len(more)} more {'problem' if len(more) == 1 else 'problems'}", icon=":material/warning:"
        ):
            for problem in more:
                st.warning(escape(problem))


@contextmanager
def guard() -> Iterator[None]:
    """Show errors in place instead of a traceback."""
    try:
        yield
    except KdError as exc:
        st.error(sentence(str(exc)), icon=":material/error:")
    except Exception as exc:
        if is_full_disk(exc):
            st.error("The disk is full, so nothing new can be kept. Free some space: all goes on by itself then.")
            return
        # The edge of the page: recorded in full, shown with a number to find it by.
        number = uuid.uuid4().hex[:8]
        log.exception("page error %s", number)
        st.error(f"Something went wrong in the app itself (number {number} in its log). Nothing you saved is lost.")


def empty(text: str, to: str, action: str, **params: str) -> None:
    """An empty state: what is missing, the one next action, and nothing else."""
    with st.container(border=True):
        st.subheader(text, anchor=False)
        link(to, action, type_="primary", **params)
    st.stop()


def link(to: str, label: str, *, type_: str = "link", **params: str) -> None:
    """A link to a page that keeps the project and carries ``params``; works where a page stands alone too.

    ``label`` is plain text: names that people gave may stand in it.
    """
    query = {key: value for key, value in {"project": state.param("project"), **params}.items() if value}
    if type_ == "primary":
        if st.button(
            escape(label), key=f"go-{to}-{label}-{sorted(params.items())}", type="primary", icon=PAGES[to][1]
        ):
            st.switch_page(PAGES[to][0], query_params=query)
    else:
        st.page_link(PAGES[to][0], label=escape(label), icon=PAGES[to][1], query_params=query)


def popover(label: str, name: str, icon: str, *, disabled: bool = False) -> Any:
    """A popover that ``close_popover`` can close: a form that was sent must not lie over what it started."""
    times = st.session_state.get(f"closed.{name}", 0)
    return st.popover(label, icon=icon, key=f"popover-{name}-{times}", disabled=disabled)


def close_popover(name: str) -> None:
    """Close it on the next run, by drawing another in its place."""
    st.session_state[f"closed.{name}"] = st.session_state.get(f"closed.{name}", 0) + 1


def run_panel(app: App, run_id: str, draw: Callable[[], None], *, can_pause: bool = False) -> None:
    """Status, controls and ``draw`` of one run, redrawn while it is active; polling stops when it ends."""

    @st.fragment(run_every=live.POLL_S if live.is_active(app.status(run_id)) else None)
    def panel() -> None:
        with guard():
            status = app.status(run_id)
            live.rerun_when_ended(run_id, status)
            live.status_line(run_id, status)
            live.controls(app, run_id, status, can_pause=can_pause)
            draw()

    panel()


def _menu() -> None:
    """The pages in the order of work; each link keeps the project. The same where a page stands alone."""
    query = {"project": project} if (project := state.param("project")) else None
    home: dict[str, Any] = {"label": "Home", "icon": ":material/home:", "query_params": query}
    try:
        st.page_link("home.py", **home)
    except StreamlitPageNotFoundError:  # home.py has run here: home is one of its own pages
        st.page_link(HOME[0], **home)
    for title, (file, icon, _) in PAGES.items():
        st.page_link(file, label=title, icon=icon, query_params=query)
    st.divider()


def _sidebar(app: App) -> Project | None:
    known = projects.list_projects(app)
    with st.sidebar:
        _menu()
        chosen: Project | None = None
        if known:
            names = {p["project_id"]: p["name"] for p in known}
            # The menu's own links drop the address bar, so the session remembers the project too.
            remembered = st.session_state.get("project_id")
            if not state.param("project"):
                state.set_params(project=remembered if remembered in names else known[-1]["project_id"])
            picked = state.choose("Project", list(names), "project", names.__getitem__, clears=OF_A_PROJECT)
            st.session_state["project_id"] = picked
            chosen = next(p for p in known if p["project_id"] == picked)
        st.session_state.setdefault(NAME_FIELD, st.session_state.get(NAME, ""))
        st.text_input("Your name", key=NAME_FIELD, placeholder="Name on your decisions", on_change=_renamed)
        live.running_now(app)
    return chosen


NAME, NAME_FIELD = "reviewer", "reviewer.field"
MAX_NAME = 80


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
