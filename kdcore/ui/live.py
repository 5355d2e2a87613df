"""What runs now: panels that redraw themselves while a run is active and stop polling when it ends."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st

from kdcore.errors import ConfigError
from kdcore.records.status import Status
from kdcore.services import names
from kdcore.services.generate.runs import eta_s
from kdcore.services.workspace import App
from kdcore.types import TERMINAL_STATES
from kdcore.ui.labels import KINDS, PAGE_OF_KIND, STATES, clock, duration, escape, sentence

POLL_S = 1.5


class Now(NamedTuple):
    """What runs, in a few words, and where it is seen."""

    page: str
    run_id: str
    text: str


def now(app: App) -> Now | None:
    """The run that was started first of those under way, with how many others; a warm helper is none of them."""
    active = [(run, status) for run, status in app.active_runs() if run.kind != "serve"]
    if not active:
        return None
    run, status = active[0]
    left = eta_s(status.progress)
    text = KINDS.get(run.kind, run.kind) + (f", {duration(left)} left" if left is not None else "")
    return Now(PAGE_OF_KIND[run.kind], run.run_id, text + (f" and {len(active) - 1} more" if active[1:] else ""))


def running_now(app: App) -> None:
    """A strip for the project's menu: each active run with its progress, and who holds the accelerator."""

    @st.fragment(run_every=2.0)
    def strip() -> None:
        active = app.active_runs()
        st.caption("Running now" if active else "Nothing is running")
        for run, status in active:
            st.markdown(f"**{KINDS.get(run.kind, run.kind)}**  \n{escape(status.message or STATES[status.state][1])}")
            if status.progress.get("total") and run.kind != "serve":
                st.progress(_share(status), text=_progress_text(status))
        _holder(app, {run.run_id: status for run, status in active})

    strip()


def _holder(app: App, active: dict[str, Status]) -> None:
    """Who holds the accelerator, and until when as far as that can be told."""
    held = app.holder()
    if held is None:
        return
    run_id = str(held.get("run_id") or "")
    kind = run_id.split("-")[0]
    text = f"The accelerator is in use: {KINDS[kind].lower() if kind in KINDS else 'another process'}"
    status = active.get(run_id)
    left = eta_s(status.progress) if status else None
    if kind == "serve":
        text += ", which leaves when a run asks for it"
    elif left is not None:
        text += f" until about {clock(left)}"
    st.caption(f":material/memory: {text}.")


def status_line(run_id: str, status: Status) -> None:
    """How a run stands: while it goes on its progress with rate and time left, else a badge with icon and word."""
    icon, word, colour = STATES[status.state]
    going = status.state not in TERMINAL_STATES
    if going and status.progress.get("total"):
        said = f"{escape(status.message)} · " if status.message else ""
        st.progress(_share(status), text=said + _progress_text(status))
        return
    message = escape(status.message)
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.badge(word, icon=icon, color=colour)  # pyright: ignore[reportArgumentType]
        if message and status.state != "failed":
            st.caption(message)
    if message and status.state == "failed":
        st.error(message)


def controls(app: App, run_id: str, status: Status, *, can_pause: bool = False) -> None:
    """Stop, pause, resume: only what makes sense in this state; the name, the id and the log folded."""
    with st.container(horizontal=True, horizontal_alignment="right", gap="small"):
        if status.state not in TERMINAL_STATES:
            if can_pause and st.button("Pause", key=f"pause-{run_id}", icon=":material/pause:"):
                app.stop(run_id, "pause")
            label = "Stop and keep" if can_pause else "Stop"
            if st.button(label, key=f"stop-{run_id}", icon=":material/stop:"):
                app.stop(run_id, "cancel")
        elif status.state != "done" and st.button("Resume", key=f"resume-{run_id}", icon=":material/play_arrow:"):
            app.launch(app.run_dir(run_id))
            st.rerun()
        with st.popover("Details", type="tertiary"):
            _name(app, run_id)
            st.caption("Its id, for kd and for the log of the app")
            st.code(run_id, language=None)
            if st.toggle("Show its log", key=f"log-{run_id}"):
                st.code(log_tail(app, run_id) or "nothing yet", language=None)
    _quarantined(app, run_id)


def _name(app: App, run_id: str) -> None:
    """The run's name, to be changed in place."""
    key = f"name-{run_id}"
    st.session_state.setdefault(key, names.of_run(app, run_id))

    def renamed() -> None:
        try:
            names.rename(app, run_id, st.session_state[key], str(st.session_state.get("reviewer") or "anonymous"))
        except ConfigError as exc:
            st.session_state[f"{key}.problem"] = str(exc)

    st.text_input("Name", key=key, max_chars=names.MAX_CHARACTERS, on_change=renamed)
    if problem := st.session_state.pop(f"{key}.problem", ""):
        st.error(sentence(problem))


def _quarantined(app: App, run_id: str) -> None:
    """Journal lines that could not be trusted: shown, kept, never counted."""
    bad = app.quarantined(run_id)
    if bad:
        st.warning(
            f"Damaged places in this run's journal: {len(bad)}. They were set aside, everything else is in. "
            "Going on with the run makes again what is missing.",
            icon=":material/healing:",
        )
        ended = app.status(run_id).state == "done"
        if ended and st.button("Make again what is missing", key=f"again-{run_id}", icon=":material/replay:"):
            app.launch(app.run_dir(run_id))
            st.rerun()
        with st.expander("The damaged lines", icon=":material/bug_report:"):
            st.dataframe(bad, hide_index=True, column_order=["file", "position", "reason", "line"])


def log_tail(app: App, run_id: str, size: int = 4000) -> str:
    """The end of what the worker printed."""
    path = app.run_dir(run_id).path / "log.txt"
    if not path.exists():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - size))
        return file.read().decode("utf-8", "replace")


def is_active(status: Status) -> bool:
    """Whether a panel should go on polling."""
    return status.state not in TERMINAL_STATES


def rerun_when_ended(run_id: str, status: Status) -> None:
    """Redraw the whole page once when a run has just ended."""
    key = f"was-active-{run_id}"
    if is_active(status):
        st.session_state[key] = True
    elif st.session_state.pop(key, False):
        st.rerun()


def _share(status: Status) -> float:
    done, total = status.progress.get("done", 0), status.progress.get("total", 0)
    return min(1.0, done / total) if total else 0.0


def _progress_text(status: Status) -> str:
    p = status.progress
    text = f"{p.get('done', 0):,} of {p.get('total', 0):,} {p.get('unit', '')}".rstrip()
    if p.get("tokens_per_s"):
        text += f" · {p['tokens_per_s']:.0f} tokens a second"
    elif p.get("rate"):
        text += f" · {p['rate']:.2g} a second"
    if p.get("memory_gb"):
        text += f" · {p['memory_gb']:.1f} GB"
    left = eta_s(p)
    return text + (f" · about {duration(left)} left" if left is not None else "")
