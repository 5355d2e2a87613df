"""Panels of the Explore page: what acts on all that is selected, search, and what the selection looks like."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.exploration import EmbedConfig, PickConfig
from kdcore.configs.selection import All, ColumnIs, HasVerdict, IsOneOf, Selection
from kdcore.errors import KdError
from kdcore.filters import FILTERS, USUAL
from kdcore.filters.needs import AGAINST, VECTOR
from kdcore.records.decisions import Decision
from kdcore.records.figures import Bar
from kdcore.records.reviews import VerdictCount
from kdcore.services.explore import maps, subsets, tags
from kdcore.services.explore import samples as explore_samples
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.ui import charts, filter_bar, forms, frame, live, shell, state
from kdcore.ui.labels import check_name, escape, short

AT_ONCE = ((Decision.REJECT, "Reject", ":material/close:"), (Decision.ACCEPT, "Accept", ":material/check:"))
ASK_ABOVE = 1000  # a decision about more samples than that is asked for twice
KINDS = ("embed", "screen", "concept", "pick", "title")
NOT_IN_FORM = ("against", "own")  # given by a file
HISTOGRAMS = {"completion_tokens": "Length in tokens", "entropy": "Teacher's uncertainty (nats a token)"}


def with_these(app: App, project_id: str, selection: Selection) -> None:
    """One decision or one tag for all that is selected, and their undo."""
    with frame.popover("With these", "these", ""):
        decide_all(app, project_id, selection)
        st.divider()
        tag_all(app, project_id, selection)


def decide_all(app: App, project_id: str, selection: Selection) -> None:
    """One decision about all that is selected and not yet judged, and its undo."""
    waiting = review_decisions.count_undecided(app, project_id, selection)
    st.caption(f"{waiting:,} of these answers are usable and not judged yet; what people decided stays.")
    large = waiting > ASK_ABOVE
    sure = st.checkbox(f"Yes, all {waiting:,} of them", key=f"all-sure-{waiting}") if large else True
    with st.container(horizontal=True):
        for action, word, icon in AT_ONCE:
            key, able = f"all-{action}", bool(waiting) and sure
            if st.button(f"{word} {waiting:,}", key=key, icon=icon, disabled=not able):
                frame.close_popover("these")
                done = review_decisions.decide_all(app, project_id, selection, action, shell.reviewer())
                st.toast(f"{done:,} answers: {action}. Undo takes all of them back.")
                st.rerun()
    if st.button("Undo my last decision", key="all-undo", icon=":material/undo:"):
        back = review_decisions.undo(app, project_id, shell.reviewer())
        st.toast("Taken back." if back else "There is nothing to undo.")
        st.rerun()


def tag_all(app: App, project_id: str, selection: Selection) -> None:
    """A word on all that is selected, and its undo."""
    with frame.guard():
        st.caption("A tag is a word of yours; filter by it, freeze by it, or teach a concept with it.")
        name = st.text_input("Tag", key="tag.name", placeholder="dosage unclear")
        with st.container(horizontal=True):
            for present, word, icon in ((True, "Put on all", "add"), (False, "Take off all", "remove")):
                if st.button(word, key=f"tagall.{present}", icon=f":material/{icon}:", disabled=not name.strip()):
                    done = tags.tag(app, project_id, selection, name, shell.reviewer(), present=present)
                    frame.close_popover("these")
                    st.toast(f"{done:,} answers: tag {'put on' if present else 'taken off'}.")
                    st.rerun()
        if st.button("Undo my last tag", key="tagall.undo", icon=":material/undo:"):
            back = tags.undo(app, project_id, shell.reviewer())
            st.toast(f"Taken back: {escape(back)}." if back else "There is nothing to undo.")
            st.rerun()


def maps_checks_and_picks(app: App, project_id: str, map_run: str | None, selection: Selection) -> None:
    """Draw a new map, run checks, pick a subset: each in a box of its own."""
    if map_run:  # without one it stands in the map's place
        draw_map(app, project_id)
    with frame.popover("Check the answers", "check", ":material/rule:"), frame.guard():
        _checks(app, project_id, map_run)
    icon = ":material/filter_center_focus:"
    with frame.popover("Pick a subset", "pick", icon, disabled=map_run is None), frame.guard():
        _pick(app, project_id, selection)


def draw_map(app: App, project_id: str) -> None:
    """The choices of a new map."""
    with frame.popover("Draw a map", "draw", ":material/map:"), frame.guard():
        values = forms.draw(EmbedConfig, "embed", ["text", "projection", "algorithm", "clusters"])
        if st.button("Draw", type="primary", key="explore.draw"):
            run = maps.start_map(app, project_id, forms.load(EmbedConfig, values))
            state.of_project()["explore.begun_map"] = run.run_id
            frame.close_popover("draw", "more")
            st.rerun()


def under_way(app: App, project_id: str) -> None:
    """The progress of what was started here, and how it ended."""
    for run in [run for run, _ in app.active_runs() if run.kind in KINDS]:
        _progress(app, run.run_id)
    for found in maps.all_maps(app, project_id)[:1]:
        if found["status"].state == "failed":
            live.status_line(found["run_id"], found["status"])
    _begun_map(app)
    _picked(app)


def _begun_map(app: App) -> None:
    """Once a map of this session is drawn, it is the one that is shown."""
    run_id = state.of_project().get("explore.begun_map")
    if run_id and not live.is_active(status := app.status(run_id)):
        del state.of_project()["explore.begun_map"]
        if status.state == "done":
            state.set_params(map=run_id)
            st.rerun()


def _checks(app: App, project_id: str, map_run: str | None) -> None:
    """Which checks to run, each with its settings folded."""
    chosen: list[str] = []
    options: dict[str, dict[str, Any]] = {}
    for name, check in FILTERS.items():
        off = VECTOR in check.needs and map_run is None
        left, right = st.columns([3, 1])
        label = check.summary + (" (needs a map)" if off else "")
        ticked = left.checkbox(
            label, value=name in USUAL, key=f"filter-{name}", disabled=off, persist_state="session"
        )
        if ticked and not off:
            chosen.append(name)
        shown = [field for field in check.config.model_fields if field not in NOT_IN_FORM]
        if shown:
            with right.popover("Settings", key=f"settings-{name}", type="tertiary"):
                options[name] = forms.draw(check.config, f"check.{name}", shown)
    given = st.file_uploader(
        "An evaluation set for the contamination checks (JSONL); else the held-out rows", ["jsonl"]
    )
    if st.button("Check", type="primary", key="explore.check", disabled=not chosen):
        if given is not None:
            texts = explore_samples.texts_of(given.getvalue())
            for name in [name for name in chosen if AGAINST in FILTERS[name].needs]:
                options.setdefault(name, {})["against"] = texts
        explore_samples.start_screen(app, project_id, chosen, options={n: options.get(n, {}) for n in chosen})
        frame.close_popover("check", "more")
        st.rerun()


def _pick(app: App, project_id: str, selection: Selection) -> None:
    st.caption("Chooses among what is selected now; the chosen rows become the filter.")
    values = forms.draw(PickConfig, "pick", ["selector", "count"])
    if values["selector"] == "stratified":
        values |= forms.draw(PickConfig, "pick", ["layer"])
    if values["selector"] == "top_diverse":
        scores = ["entropy", "tokens", *explore_samples.scores(explore_samples.checks(app, project_id))]
        values["score"] = st.selectbox("Score", scores, format_func=check_name, key="pick.score")
        values |= forms.draw(PickConfig, "pick", ["lowest"])
    if st.button("Pick", type="primary", key="explore.pick"):
        config: PickConfig = forms.load(PickConfig, values)
        run = subsets.start(app, project_id, config, selection)
        state.of_project()["explore.picked"] = (config, run.run_id)
        frame.close_popover("pick", "more")
        st.rerun()


def _picked(app: App) -> None:
    """Once a pick of this session has ended, its rows are the filter."""
    if "explore.picked" not in state.of_project():
        return
    config, run_id = state.of_project()["explore.picked"]
    status = app.status(run_id)
    if status.state == "done":
        del state.of_project()["explore.picked"]
        filter_bar.add(subsets.chosen(config, run_id))
        st.rerun()
    elif not live.is_active(status):
        del state.of_project()["explore.picked"]
        live.status_line(run_id, status)


def _progress(app: App, run_id: str) -> None:
    @st.fragment(run_every=live.POLL_S)
    def panel() -> None:
        status = app.status(run_id)
        live.rerun_when_ended(run_id, status)
        live.status_line(run_id, status)

    panel()


def search(app: App, project_id: str, map_run: str | None) -> None:
    """Search by meaning; the hits become a part of the filter."""
    key = state.own("explore.meaning")
    st.text_input(
        "Search by meaning",
        placeholder="Search by meaning, then Enter" if map_run else "Search by meaning comes with a map",
        disabled=map_run is None,
        key=key,
        icon=":material/travel_explore:",
        label_visibility="collapsed",
        on_change=_wanted,
        args=(key,),
    )
    if wanted := state.of_project().pop("explore.wanted", ""):
        with frame.guard():
            run_id, asked = explore_samples.start_search(app, project_id, text=wanted)
            state.of_project()["explore.search"] = (run_id, asked, wanted)
    if "explore.search" in state.of_project():
        _search_panel(app)


def _wanted(key: str) -> None:
    state.of_project()["explore.wanted"] = st.session_state[key].strip()


def _search_panel(app: App) -> None:
    @st.fragment(run_every=0.5)
    def panel() -> None:
        if "explore.search" not in state.of_project():
            return
        run_id, key, text = state.of_project()["explore.search"]
        with frame.guard():
            try:
                hits = explore_samples.search_hits(app, run_id, key)
            except KdError:
                del state.of_project()["explore.search"]  # ask again, do not wait for ever
                raise
            if hits is None:
                st.caption("Searching… the first search loads the embedder.")
                return
            del state.of_project()["explore.search"]
            if not hits:
                st.info("Nothing like it is on the map; draw a new one if the rows came later.")
                return
            state.of_project()["explore.likeness"] = {hit["sample_id"]: hit["score"] for hit in hits}
            filter_bar.add(
                IsOneOf(sample_ids=tuple(h["sample_id"] for h in hits[:25]), label=f"like “{short(text, 30)}”")
            )
            state.set_params(sort=None, page=None)  # the nearest first
            st.rerun()

    panel()


def statistics(app: App, project_id: str, selection: Selection, checks: list[VerdictCount]) -> None:
    """Lengths, uncertainty and checks of what is selected."""
    for column, title in HISTOGRAMS.items():
        _histogram(explore_samples.histogram(app, project_id, selection, column), column, title)
    for row in checks:
        if row["failed"]:
            st.button(
                f"{row['failed']:,} fail: {check_name(row['filter'])}",
                key=f"failed-{row['kind']}-{row['filter']}",
                on_click=filter_bar.add,
                args=(HasVerdict(verdict_kind=row["kind"], filter=row["filter"], passed=False),),
                icon=":material/error:",
                type="tertiary",
            )


def _histogram(rows: list[Bar], column: str, title: str) -> None:
    """Bars; a click on one keeps the rows in it."""
    if not rows:
        return
    key = f"hist-{column}-{state.filter_key()}"
    event: Any = st.plotly_chart(
        charts.bars(rows, f"{title} · click a bar to keep it"),
        key=key,
        on_select="rerun",
        selection_mode="points",
        config={"displayModeBar": False},
    )
    chosen = [p["point_index"] for p in event.get("selection", {}).get("points", [])] if event else []
    if len(chosen) == 1 and state.is_new(key, chosen):
        bar, last = rows[chosen[0]], chosen[0] == len(rows) - 1
        low = ColumnIs(column=column, op=">=", values=(round(bar["low"], 4),))  # pyright: ignore[reportArgumentType]
        high = ColumnIs(column=column, op="<", values=(round(bar["high"], 4),))  # pyright: ignore[reportArgumentType]
        filter_bar.add(low if last else All(parts=(low, high)))
        st.rerun()
