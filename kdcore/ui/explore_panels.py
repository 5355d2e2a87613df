"""Panels of the Explore page: map, groups, search, checks, table and the sample card."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.exploration import EmbedConfig
from kdcore.configs.selection import All, ColumnIs, HasVerdict, InClusters, InLasso, IsOneOf, Selection
from kdcore.filters import FILTERS
from kdcore.services import exploration, generation, review
from kdcore.services.app import App
from kdcore.store.samples import SORTS
from kdcore.ui import charts, filter_bar, forms, frame, live, sample_card, state
from kdcore.ui.words import escape, short

DECISIONS = (("reject", "Reject", ":material/close:"), ("accept", "Accept", ":material/check:"))
ASK_ABOVE = 1000  # a decision about more samples than that is asked for twice
HISTOGRAMS = {"completion_tokens": "Length in tokens", "entropy": "Teacher's uncertainty (nats a token)"}
COLOURS = {"title": "group", "topic": "topic", "review": "decision", "status": "status", "reader": "reader"}


def decide_all(app: App, project_id: str, selection: Selection) -> None:
    """One decision about all that is selected and not yet judged, and its undo."""
    waiting = review.count_undecided(app, project_id, selection)
    with st.popover("Decide on all", icon=":material/done_all:"):
        st.caption(f"{waiting:,} of these answers are usable and not judged yet; what people decided stays.")
        large = waiting > ASK_ABOVE
        sure = st.checkbox(f"Yes, all {waiting:,} of them", key=f"all-sure-{waiting}") if large else True
        for action, word, icon in DECISIONS:
            key, able = f"all-{action}", bool(waiting) and sure
            if st.button(f"{word} {waiting:,}", key=key, icon=icon, disabled=not able, width="stretch"):
                done = review.decide_all(app, project_id, selection, action, frame.reviewer())
                st.toast(f"{done:,} answers: {action}. Undo takes all of them back.")
                st.rerun()
        if st.button("Undo my last decision", key="all-undo", icon=":material/undo:", width="stretch"):
            back = review.undo(app, project_id, frame.reviewer())
            st.toast("Taken back." if back else "There is nothing to undo.")
            st.rerun()


def work(app: App, project_id: str) -> None:
    """Draw a new map, run checks, and the progress of both."""
    with st.container(horizontal=True):
        with st.popover("Draw a map", icon=":material/map:"):
            values = forms.draw(EmbedConfig, "embed", ["text", "projection", "clusters"])
            if st.button("Draw", type="primary", key="explore.draw"):
                exploration.start_map(app, project_id, forms.load(EmbedConfig, values))
        with st.popover("Check the answers", icon=":material/rule:"):
            chosen = [n for n, f in FILTERS.items() if st.checkbox(f.summary, value=True, key=f"filter-{n}")]
            if st.button("Check", type="primary", key="explore.check", disabled=not chosen):
                exploration.start_screen(app, project_id, chosen)
    active = [run for run, _ in app.active_runs() if run.kind in ("embed", "screen")]
    for run in active:
        _progress(app, run.run_id)
    newest = exploration.maps(app, project_id)
    if newest and newest[0]["status"].state == "failed":
        live.status_line(newest[0]["run_id"], newest[0]["status"])


def _progress(app: App, run_id: str) -> None:
    @st.fragment(run_every=live.POLL_S)
    def panel() -> None:
        status = app.status(run_id)
        live.rerun_when_ended(run_id, status)
        live.status_line(run_id, status)

    panel()


def map_panel(app: App, project_id: str, map_run: str, selection: Selection) -> None:
    """The map; a lasso or box becomes a part of the filter, a click opens the sample."""
    points = exploration.points(app, project_id, map_run, selection)
    colour = st.segmented_control(
        "Colour", list(COLOURS), format_func=COLOURS.__getitem__, default="title", key="explore.colour", required=True
    )
    groups = exploration.clusters(app, map_run)
    titles = {c["cluster"]: c["title"] for c in groups}
    total = sum(c["size"] for c in groups)
    if len(points) < total:
        st.caption(
            f"{len(points):,} of {total:,} points are drawn, some of every group. "
            "Lasso, box, filters and counts act on all."
        )
    figure = charts.sample_map(points, colour or "title", titles)
    event: Any = st.plotly_chart(
        figure,
        on_select="rerun",
        selection_mode=("points", "lasso", "box"),
        key=f"map-{map_run}-{state.filter_key()}",
        config={"scrollZoom": True, "displaylogo": False},
        alt="Map of the answers; near points have similar meaning",
    )
    _use_selection(event, map_run)


def _use_selection(event: Any, map_run: str) -> None:
    chosen = event.get("selection", {}) if event else {}
    if not state.is_new("map", [chosen.get("lasso"), chosen.get("box"), chosen.get("points")]):
        return
    for shape in chosen.get("lasso", []) + chosen.get("box", []):
        xs, ys = list(shape["x"]), list(shape["y"])
        if len(xs) == 2:  # a box comes as two corners
            xs, ys = [xs[0], xs[1], xs[1], xs[0]], [ys[0], ys[0], ys[1], ys[1]]
        if len(xs) >= 3:
            filter_bar.add(
                InLasso(map_run=map_run, xs=tuple(round(x, 4) for x in xs), ys=tuple(round(y, 4) for y in ys))
            )
            st.rerun()
    points = chosen.get("points", [])
    if len(points) == 1 and points[0].get("customdata"):
        found = points[0]["customdata"]  # as the chart was given it, or as its event wraps it
        state.set_params(sample=found if isinstance(found, str) else found[0])
        st.rerun()


def cluster_list(app: App, map_run: str) -> None:
    """Groups with their size and what people decided about them."""
    with st.container(border=True, height=300):
        st.caption("Groups")
        for row in exploration.clusters(app, map_run):
            judged = f" · ✓ {row['accepted']} ✕ {row['rejected']}" if row["accepted"] or row["rejected"] else ""
            st.button(
                f"{escape(row['title'])} · {row['size']:,}{judged}",
                key=f"cluster-{row['cluster']}",
                on_click=filter_bar.add,
                args=(InClusters(map_run=map_run, clusters=(row["cluster"],)),),
                width="stretch",
                type="tertiary",
            )


def search(app: App, project_id: str, map_run: str | None) -> None:
    """Search by meaning; the hits become a part of the filter."""
    with st.form("semantic", border=False):
        text = st.text_input("Search by meaning", placeholder="dangerous drug combinations", disabled=map_run is None)
        if (
            st.form_submit_button("Search", icon=":material/travel_explore:", disabled=map_run is None)
            and text.strip()
        ):
            run_id, key = exploration.start_search(app, project_id, text=text)
            st.session_state["explore.search"] = (run_id, key, text)
    if "explore.search" in st.session_state:
        _search_panel(app)


def _search_panel(app: App) -> None:
    @st.fragment(run_every=0.5)
    def panel() -> None:
        if "explore.search" not in st.session_state:
            return
        run_id, key, text = st.session_state["explore.search"]
        with frame.guard():
            hits = exploration.search_hits(app, run_id, key)
            if hits is None:
                st.caption("Searching… the first search loads the embedder.")
                return
            del st.session_state["explore.search"]
            filter_bar.add(
                IsOneOf(sample_ids=tuple(h["sample_id"] for h in hits[:25]), label=f"like “{short(text, 30)}”")
            )
            st.rerun()

    panel()


def statistics(app: App, project_id: str, selection: Selection) -> None:
    """Lengths, uncertainty and checks of what is selected."""
    for column, title in HISTOGRAMS.items():
        _histogram(exploration.histogram(app, project_id, selection, column), column, title)
    for row in exploration.checks(app, project_id):
        if row["failed"]:
            st.button(
                f"{row['failed']:,} fail: {check_name(row['filter'])}",
                key=f"failed-{row['filter']}",
                on_click=filter_bar.add,
                args=(HasVerdict(filter=row["filter"], passed=False),),
                icon=":material/error:",
                type="tertiary",
            )


def _histogram(rows: list[dict[str, Any]], column: str, title: str) -> None:
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


def check_name(name: str) -> str:
    """What a check looks for, in words; a judge's check has only its name."""
    return FILTERS[name].summary.lower() if name in FILTERS else name


def table(app: App, view: dict[str, Any], page_size: int) -> None:
    """One page of rows; a click opens the sample card."""
    rows = view["rows"]
    if not rows:
        st.info("Nothing matches this filter. Clear a pill above.", icon=":material/filter_alt_off:")
        return
    event: Any = st.dataframe(
        [
            {
                "question": r["edited_question"] or r["question"],
                "answer": short(r["edited_answer"] or r["answer"] or r["completion"], 240),
                "topic": r["topic"],
                "status": r["status"],
                "decision": r["review"] or "",
                "tokens": r["completion_tokens"],
            }
            for r in rows
        ],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"table-{state.filter_key()}-{state.param('page')}-{state.param('sort')}",
    )
    picked = event.get("selection", {}).get("rows", []) if event else []
    ids = [rows[i]["sample_id"] for i in picked if i < len(rows)]
    if state.is_new("table", ids) and ids:
        state.set_params(sample=ids[0])
        st.rerun()
    pages = max(1, -(-view["count"] // page_size))
    with st.container(horizontal=True, vertical_alignment="center"):
        now = state.number("page")
        if st.button("Previous", icon=":material/chevron_left:", disabled=now == 0, key="explore.previous"):
            state.set_params(page=now - 1 or None)
            st.rerun()
        st.caption(f"Page {now + 1} of {pages}")
        if st.button("Next", icon=":material/chevron_right:", disabled=now + 1 >= pages, key="explore.next"):
            state.set_params(page=now + 1)
            st.rerun()
        order = st.selectbox(
            "Sort by",
            SORTS,
            index=SORTS.index(state.param("sort", "created")) if state.param("sort", "created") in SORTS else 0,
            width=180,
        )
        if order != state.param("sort", "created"):
            state.set_params(sort=order)
            st.rerun()


def card(app: App, sample_id: str) -> None:
    """The sample that is open, and its thread."""
    with frame.guard():
        sample = exploration.sample(app, sample_id)
        with st.container(border=True):
            with st.container(horizontal=True, horizontal_alignment="distribute"):
                sample_card.tags(sample)
                if st.button("Close", icon=":material/close:", key="explore.close"):
                    state.set_params(sample=None)
                    st.rerun()
            left, right = st.columns([3, 2])
            with left:
                sample_card.body(sample)
                with st.container(horizontal=True):
                    frame.link("Review", "Judge it", sample=sample_id)
                    if st.button("Ask again", icon=":material/refresh:", key="explore.again"):
                        run = generation.regenerate(app, sample_id)
                        st.toast(f"Asked again as run {run.run_id}; the new row stands beside this one.")
                    if st.button("More like this", icon=":material/travel_explore:", key="explore.like"):
                        run_id, key = exploration.start_search(app, sample["project_id"], sample_id=sample_id)
                        st.session_state["explore.search"] = (run_id, key, short(sample["question"], 30))
                        st.rerun()
            with right:
                sample_card.thread(app, sample_id)
