"""Home: the project's funnel, what runs now, the one next action. Navigation over pages/."""

import streamlit as st

from kdcore.services import main_job, projects
from kdcore.ui import frame, new_project
from kdcore.ui.labels import duration, escape

FUNNEL = (
    ("seeds", "seed questions"),
    ("answered", "answers"),
    ("parsed", "usable"),
    ("reviewed", "judged"),
    ("datasets", "versions"),
    ("students", "students"),
    ("evaluations", "comparisons"),
)
STAGES = {
    "seeds": "Import the seed questions",
    "prompt": "Write the prompt",
    "generate": "Ask the teacher (vLLM)",
    "embed": "Embed and draw the map",
    "screen": "Check the answers",
    "freeze": "Freeze a dataset version",
    "distill": "Train the student",
    "evaluate": "Compare student, base and teacher",
}


def home() -> None:
    with frame.page("Home", needs_project=False) as page:
        if page.project is None:
            st.subheader("From questions to a student model you can explain", anchor=False)
            st.markdown("Start with a project: a name for one body of knowledge to distil.")
            new_project.form(page.app)
            return
        st.caption(escape(page.project["name"]))
        funnel_panel(page)
        plan_panel(page)
        target, action = projects.funnel(page.app, page.project_id)["next"]
        with st.container(border=True):
            st.subheader("Next", anchor=False)
            frame.link(target, action, type_="primary")
        with st.expander("Start another project", icon=":material/add:"):
            new_project.form(page.app)


def funnel_panel(page: frame.Page) -> None:
    """From seeds to comparisons, counting up while something runs."""

    @st.fragment(run_every=2.0 if page.app.active_runs() else None)
    def panel() -> None:
        story = projects.funnel(page.app, page.project_id)
        with st.container(horizontal=True):
            for name, label in FUNNEL:
                st.metric(label, story["counts"][name], border=True)
        if story["lost"]:
            lost = ", ".join(f"{count} {status}" for status, count in sorted(story["lost"].items()))
            st.caption(f"Answers that are not usable: {lost}. Generate shows the reason of each.")

    panel()


def plan_panel(page: frame.Page) -> None:
    """The sample project's main job, stage by stage, as it happens."""
    plan = main_job.load(page.app)
    if plan is None or plan.project_id != page.project_id:
        return

    @st.fragment(run_every=2.0 if plan.state == "running" else None)
    def panel() -> None:
        now = main_job.load(page.app)
        if now is None:
            return
        with st.container(border=True):
            st.subheader("The sample project's main job", anchor=False)
            for name, label in STAGES.items():
                started, current = name in now.stages, now.stages and list(now.stages)[-1] == name
                if started and (now.state == "done" or not current):
                    st.markdown(f":material/check: {label}")
                elif current:
                    st.markdown(f":material/{'error' if now.state == 'failed' else 'play_arrow'}: **{label}**")
                else:
                    st.markdown(f":material/radio_button_unchecked: {label}")
            if now.state == "failed":
                st.error(escape(now.message))
                if st.button("Go on from here", icon=":material/play_arrow:"):
                    main_job.go_on(page.app)
                    st.rerun()
            elif now.state == "done":
                st.caption(f"Done in {duration(now.ended - now.started)}, on real models.")
        if len(now.stages) != len(plan.stages) or now.state != plan.state:
            st.rerun()  # a stage has ended: the next action and the polling follow

    panel()


pages = [st.Page(home, title="Home", default=True)]
pages += [st.Page(file, title=title) for title, (file, _, _) in frame.PAGES.items()]
frame.HOME[:] = pages[:1]
st.navigation(pages, position="hidden").run()
