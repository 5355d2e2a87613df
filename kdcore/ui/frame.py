"""The frame of every page: opened workspace, project, what runs now, and errors as sentences.

A page's first line is ``with frame.page("Elicit") as page:``; the menu is drawn by pages/0_Home.py.
"""

from __future__ import annotations

import logging
import os
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NoReturn

import streamlit as st

from kdcore.errors import ConfigError, KdError, is_full_disk
from kdcore.records.projects import Project
from kdcore.services import names, standing
from kdcore.services.background import Background
from kdcore.services.workspace import App
from kdcore.services.workspace import open_app as open_workspace
from kdcore.settings import PRIVATE, workspace
from kdcore.ui import live, shell, state
from kdcore.ui.labels import escape, sentence
from kdcore.ui.server import refuse_open_server

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Page:
    """What a page works with."""

    app: App
    project: Project | None

    @property
    def project_id(self) -> str:
        """The chosen project's id; raises ConfigError where there is none yet."""
        if self.project is None:
            raise ConfigError("there is no project yet; create one on Home.")
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
    """Draw what stands around a page, then the page; a user's mistake becomes one sentence, ours is logged in full.

    ``title``: "Home" or the address of a stage.
    """
    shown = shell.PAGES[title].title if title in shell.PAGES else title
    shell.dress(shown)
    app = _open_or_stop()
    # Both places first, then the header: a run of the script that is broken off leaves no fragment without its place,
    # and a browser that is told to redraw a fragment which has none goes blank.
    content, around = st.container(), st.container(**shell.WHERE)
    chosen: Project | None = None
    with content, guard():
        chosen = shell.choose_project(app)
    with around:
        shell.header(app, title, shown, chosen)
    with content, guard():
        if st.session_state.pop(shell.GONE, False):
            st.warning("The project that this link names is not in this workspace; another one is shown.")
        if needs_project and chosen is None:
            empty("There is no project yet.", "Elicit", "Create a project")
        _problems(app.problems)
        yield Page(app, chosen)


def reached() -> dict[str, str]:
    """Where the chosen project stands on each stage, for the menu; nothing where the workspace can't be shown."""
    try:
        refuse_open_server(st.get_option)
        app = open_app(str(workspace().root))
        chosen = shell.choose_project(app)
        return standing.reached(app, chosen["project_id"]) if chosen else {}
    except KdError:
        return {}  # the page opens the same workspace next, and says what is wrong
    except Exception:
        log.exception("the menu has no counts")
        return {}


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


def empty(text: str, to: str, action: str) -> NoReturn:
    """An empty state: what is missing, the one next action, and nothing else."""
    with st.container(border=True):
        st.subheader(text, anchor=False)
        shell.link(to, action, type_="primary")
    st.stop()


def popover(label: str, name: str, icon: str, *, disabled: bool = False) -> Any:
    """A popover that ``close_popover`` can close: a form that was sent must not lie over what it started."""
    times = st.session_state.get(f"closed.{name}", 0)
    return st.popover(label, icon=icon or None, key=f"popover-{name}-{times}", disabled=disabled)


def close_popover(*names: str) -> None:
    """Close them on the next run, by drawing others in their place."""
    for name in names:
        st.session_state[f"closed.{name}"] = st.session_state.get(f"closed.{name}", 0) + 1


def run_head(
    app: App, project_id: str, kind: str, label: str, clears: Sequence[str] = (), *, can_pause: bool = False
) -> str:
    """One line: the choice of a run by its name, how it stands, and its controls; returns the chosen run."""
    called = names.called(app, project_id, kind)
    left, right = st.columns([3, 7], gap="small", vertical_alignment="center")
    with left:
        run_id = state.choose(label, list(called), "run", called.__getitem__, clears, label_visibility="collapsed")
    with right:
        run_line(app, run_id, can_pause=can_pause)
    return run_id


def run_line(app: App, run_id: str, *, can_pause: bool = False) -> None:
    """How one run stands and its controls, redrawn while it is active."""

    @st.fragment(run_every=live.POLL_S if live.is_active(app.status(run_id)) else None)
    def line() -> None:
        with guard():
            status = app.status(run_id)
            live.rerun_when_ended(run_id, status)
            stands, does = st.columns([3, 2], gap="small", vertical_alignment="center")
            with stands:
                live.status_line(run_id, status)
            with does:
                live.controls(app, run_id, status, can_pause=can_pause)

    line()


def while_active(app: App, run_id: str, draw: Callable[[], None], every_s: float = live.POLL_S) -> None:
    """``draw`` again and again while the run is active."""

    @st.fragment(run_every=every_s if live.is_active(app.status(run_id)) else None)
    def panel() -> None:
        with guard():
            live.rerun_when_ended(run_id, app.status(run_id))
            draw()

    panel()
