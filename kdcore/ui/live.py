"""What runs now: panels that redraw themselves while a run is active and stop polling when it ends."""

from __future__ import annotations

import streamlit as st

from kdcore.records.status import Status
from kdcore.services.generate.runs import eta_s
from kdcore.services.workspace import App
from kdcore.types import TERMINAL_STATES
from kdcore.ui.labels import KINDS, STATES, clock, duration, escape

POLL_S = 1.5


def running_now(app: App) -> None:
    """A strip for the sidebar: each active run with its progress, and who holds the accelerator."""

    @st.fragment(run_every=2.0)
    def strip() -> None:
        active = app.active_runs()
        st.caption("Running now" if active else "Nothing is running")
        for run, status in active:
            st.markdown(f"**{KINDS.get(run.kind, run.kind)}**  \n{escape(status.message or status.state)}")
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
    text = f"The accelerator is held by {escape(run_id) or 'another process'}"
    status = active.get(run_id)
    left = eta_s(status.progress) if status else None
    if run_id.startswith("serve-"):
        text += ", a warm helper that leaves when a run asks for it"
    elif left is not None:
        text += f" until about {clock(left)}"
    st.caption(f":material/memory: {text}.")


def status_line(run_id: str, status: Status) -> None:
    """State as a badge with icon and word, then what the run says."""
    icon, word, colour = STATES[status.state]
    with st.container(horizontal=True, vertical_alignment="center"):
        st.badge(word, icon=icon, color=colour)  # pyright: ignore[reportArgumentType]
        st.caption(f"{run_id}")
    if status.message:
        (st.error if status.state == "failed" else st.caption)(escape(status.message))
    if status.progress.get("total") and status.state not in TERMINAL_STATES:
        st.progress(_share(status), text=_progress_text(status))


def controls(app: App, run_id: str, status: Status, *, can_pause: bool = False) -> None:
    """Stop, pause, resume: only what makes sense in this state."""
    with st.container(horizontal=True):
        if status.state not in TERMINAL_STATES:
            label = "Stop and keep" if can_pause else "Stop"
            if st.button(label, key=f"stop-{run_id}", icon=":material/stop:"):
                app.stop(run_id, "cancel")
            if can_pause and st.button("Pause", key=f"pause-{run_id}", icon=":material/pause:"):
                app.stop(run_id, "pause")
        elif status.state != "done" and st.button("Resume", key=f"resume-{run_id}", icon=":material/play_arrow:"):
            app.launch(app.run_dir(run_id))
            st.rerun()
        with st.popover("Log", icon=":material/terminal:"):
            st.code(log_tail(app, run_id) or "nothing yet", language=None)
    _quarantined(app, run_id)


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
    text = f"{p.get('done', 0)} of {p.get('total', 0)} {p.get('unit', '')}"
    if p.get("tokens_per_s"):
        text += f" · {p['tokens_per_s']:.0f} tokens/s"
    elif p.get("rate"):
        text += f" · {p['rate']:.2g}/s"
    left = eta_s(p)
    return text + (f" · about {duration(left)} left" if left is not None else "")
