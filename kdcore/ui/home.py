"""Home: one picture of the project from questions to a student, the one next action, and what the student says."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import NamedTuple

import streamlit as st

from kdcore.services import main_job, names, standing
from kdcore.services.standing import Standing, Step
from kdcore.services.workspace import App
from kdcore.ui import frame, shell
from kdcore.ui.labels import counted, duration, escape, short, status_name
from kdcore.ui.safe_html import safe_html, strong_html

STAGES = {
    "seeds": "Import the questions",
    "prompt": "Write the prompt",
    "generate": "Ask the teacher",
    "embed": "Draw the map",
    "screen": "Check the answers",
    "freeze": "Make a dataset",
    "distill": "Train the student",
    "evaluate": "Compare it",
}
RIBBON = 64  # pixels that the widest stage is high


class Part(NamedTuple):
    """A stage in the picture: its page, its number in signs and for the ribbon's height, and what stands below it."""

    page: str
    number: str
    height: float
    what: str
    below: str
    loss: str = ""


def parts_of(found: Standing, student: str) -> list[Part]:
    """The picture's stages, in order; ``student`` is the name of the newest."""
    counts, decided = found["counts"], found["decided"]
    left = counts["parsed"] - counts["reviewed"]
    kept = decided.get("accept", 0) + decided.get("edit", 0)
    name, learn, held = found["version"] or ("", 0, 0)
    gap, split = found["gap"], f"{learn:,} to learn, {held:,} kept aside"
    students = counted(counts["students"], "student").split()[1]
    why = ", ".join(f"{rows:,} {status_name(state)}" for state, rows in sorted(found["lost"].items()))
    return [
        Part("Elicit", f"{counts['seeds']:,}", counts["seeds"], "questions", "asked by you"),
        Part("Generate", f"{counts['answered']:,}", counts["answered"], "answers", "of the teacher", why),
        Part("Explore", f"{counts['mapped']:,}", counts["mapped"], "on the map", "near ones mean alike"),
        Part(
            "Review",
            f"{counts['reviewed']:,}",
            counts["reviewed"],
            "read",
            f"{kept:,} kept, {decided.get('reject', 0):,} rejected" if counts["reviewed"] else "by nobody yet",
            f"{left:,} to read" if left > 0 and counts["parsed"] else "",
        ),
        Part("Datasets", f"{learn + held:,}", learn + held, "in the dataset", split if name else "not made yet"),
        Part(
            "Distill",
            f"{counts['students']:,}",
            0,
            students,
            student or "none yet",
        ),
        Part("Evaluate", "–" if gap is None else f"{gap:.0%}", 0, "of the gap closed", "from untrained to teacher"),
    ]


def ribbon(heights: Sequence[float]) -> str:
    """The stages as one band that is as high as what reaches each, in HTML that follows the theme.

    Each stage's band runs from its own height to the next one's; a stage that counts no rows is a thin line.
    """
    top = max([*heights, 1.0])
    high = [max(0.04, height / top) for height in heights]
    bands: list[str] = []
    for number, (here, there) in enumerate(zip(high, [*high[1:], high[-1]], strict=True)):
        corners = [(0, 50 - 50 * here), (45, 50 - 50 * here), (100, 50 - 50 * there)]
        path = [*corners, *((x, 100 - y) for x, y in reversed(corners))]
        polygon = ", ".join(f"{x:.0f}% {y:.1f}%" for x, y in path)
        tint = 25 + 9 * number
        bands.append(
            f'<div style="flex:1;height:{RIBBON}px;clip-path:polygon({polygon});'
            f'background:color-mix(in srgb, #3d9087 {tint}%, transparent)"></div>'
        )
    return f'<div aria-hidden="true" style="display:flex">{"".join(bands)}</div>'


def picture(app: App, project_id: str) -> None:
    """The project from questions to student, counting up while something runs; every part is a link."""

    @st.fragment(run_every=2.0 if app.active_runs() else None)
    def panel() -> None:
        found = standing.standing(app, project_id)
        student = names.of_run(app, found["student"]) if found["student"] else ""
        parts = parts_of(found, student)
        st.html(ribbon([part.height for part in parts]))
        for place, part in zip(st.columns(len(parts), gap="small"), parts, strict=True):
            with place, st.container(gap=None, key=f"picture-{part.page}"):
                st.html(f'<div style="font-size:1.5rem;font-weight:600">{html.escape(part.number)}</div>')
                shell.link(part.page, part.what, bare=True)
                st.caption(escape(part.below) + (f"  \n**{escape(part.loss)}**" if part.loss else ""))

    panel()


def next_action(step: Step) -> None:
    """What to do now, why, and the way there."""
    with st.container(border=True):
        st.subheader("Next", anchor=False)
        st.markdown(escape(step.why))
        shell.link(step.page, step.action, type_="primary", run=step.run_id)


def student_says(app: App, run_id: str) -> None:
    """What the newest student answers by now, and what it said before it learnt; nothing where there is none."""
    said = standing.says_now(app, run_id) if run_id else None
    if said is None:
        return
    now, first = said
    st.caption(f"What {escape(names.of_run(app, run_id))} says by now")
    st.html(strong_html(now["question"] or ""))
    st.html(safe_html(now["completion"]) or "<i>nothing</i>")
    if first["step"] == 0 and first["completion"] != now["completion"]:
        st.caption(f"Before training it said: {escape(short(first['completion'], 200)) or 'nothing'}")


def plan(app: App, project_id: str) -> None:
    """The sample project's way from questions to a compared student, as it happens; one line once it is done."""
    found = main_job.load(app)
    if found is None or found.project_id != project_id:
        return
    if found.state == "done":
        took = duration(found.ended - found.started)
        st.caption(
            f":material/check: The sample ran from its questions to a compared student in {took}, on real models."
        )
        return

    drawn = False

    @st.fragment(run_every=2.0 if found.state == "running" else None)
    def panel() -> None:
        nonlocal drawn
        now = main_job.load(app)
        if now is None:
            return
        begun = [name for name in STAGES if name in now.stages]
        with st.container(border=True):
            st.subheader("The sample, from start to end", anchor=False)
            at = STAGES[begun[-1]] if begun else "About to begin"
            st.progress(
                max(0, len(begun) - 1) / len(STAGES), text=f"{at}: {counted(len(begun), 'step')} of {len(STAGES)}"
            )
            done = " · ".join(f":material/check: {STAGES[name]}" for name in begun[:-1])
            still = " · ".join(words for name, words in STAGES.items() if name not in begun)
            st.caption(" · ".join(part for part in (done, f":material/play_arrow: **{at}**", still) if part))
            if now.state == "failed":
                st.error(escape(now.message))
                if st.button("Go on from here", icon=":material/play_arrow:"):
                    main_job.go_on(app)
                    st.rerun()
        if drawn and (len(now.stages) != len(found.stages) or now.state != found.state):
            st.rerun()  # a stage has ended: the next action and the polling follow; never while the page draws itself
        drawn = True

    with frame.guard():
        panel()
