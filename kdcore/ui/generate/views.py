"""What a run amounts to: the tree of growth, the coverage map, runs side by side, rounds. One is drawn at a time."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.services import names
from kdcore.services.generate import views as run_views
from kdcore.services.workspace import App
from kdcore.ui import frame, state
from kdcore.ui.generate import coverage as coverage_panel
from kdcore.ui.generate import routing as routing_panel
from kdcore.ui.labels import duration, escape, short

MAX_COMPARED = 4


VIEWS = {
    "growth": ":material/account_tree: Growth",
    "coverage": ":material/grid_on: Coverage",
    "compare": ":material/compare: Side by side",
    "rounds": ":material/cycle: Rounds",
}


def monitor(app: App, project_id: str, run_id: str) -> None:
    """The view that is open."""
    with frame.guard():
        match state.tab(VIEWS, "see"):
            case "coverage":
                whole = st.toggle("All runs of the project", key="coverage.all")
                coverage_panel.grid(app, project_id, None if whole else run_id, "coverage")
            case "compare":
                _compare(app, project_id, run_id)
            case "rounds":
                _rounds(app, project_id, run_id)
            case _:
                _trees(app, run_id)


def _trees(app: App, run_id: str) -> None:
    found = [tree for tree in run_views.trees(app, run_id) if len(tree["rows"]) > 1 or tree["rows"][0]["operator"]]
    if not found:
        st.info("Rows of this run stand alone: each was asked for itself.", icon=":material/info:")
        return
    st.caption(f"The first {len(found)} seeds and what grew from each.")
    for tree in found:
        with st.expander(escape(short(tree["seed"], 110)), icon=":material/spa:"):
            lines: list[str] = []
            for row in tree["rows"]:
                mark = ":material/check:" if row["status"] == "parsed" else ":material/close:"
                step = f"*{escape(row['operator'])}* " if row["operator"] else ""
                why = f"  :small[{escape(short(row['reason'] or '', 120))}]" if row["reason"] else ""
                indent = "    " * (row["depth"] - 1)
                lines.append(f"{indent}- {mark} {step}{escape(short(row['question'] or '', 200))}{why}")
            st.markdown("\n".join(lines))


def _compare(app: App, project_id: str, run_id: str) -> None:
    called = names.called(app, project_id, "generate")
    others = [name for name in called if name != run_id]
    if not others:
        st.info("Start a second run on the same seeds to compare.", icon=":material/info:")
        return
    chosen = state.choose_many("With", others, "with", called.__getitem__, MAX_COMPARED)
    if not chosen:
        st.caption(f"Choose up to {MAX_COMPARED} runs: what each made of the same seeds stands beside this run's.")
        return
    found = run_views.side_by_side(app, [run_id, *chosen])
    st.dataframe(
        [{**line, "run": called[line["run"]], "seconds": duration(line["seconds"])} for line in found["runs"]],
        hide_index=True,
        column_config={"usable_share": st.column_config.NumberColumn("usable share", format="percent")},
    )
    for pair in found["pairs"]:
        if pair["agreement"] is None:
            st.caption(f"{escape(called[pair['a']])} and {escape(called[pair['b']])} have no seed in common.")
        else:
            st.caption(
                f"{escape(called[pair['a']])} and {escape(called[pair['b']])} agree to {pair['agreement']:.0%} "
                f"(ROUGE-L over {pair['seeds']} common seeds)."
            )
    if found["apart"]:
        st.caption("Where they differ most:")
    for row in found["apart"]:
        with st.expander(f"{row['agreement']:.0%} · {escape(short(row['question'], 100))}"):
            for answered_by, answer in row["answers"].items():
                st.caption(escape(called[answered_by]))
                st.code(answer, language=None, wrap_lines=True)
    with st.container(border=True):
        routing_panel.routes(app, project_id, {name: called[name] for name in (run_id, *chosen)})


def _rounds(app: App, project_id: str, run_id: str) -> None:
    found = run_views.rounds(app, project_id, run_id)
    if not found:
        st.info("No usable row yet.", icon=":material/info:")
        return
    called = names.called(app, project_id, "generate")
    for row in found:
        if row["alarm"]:
            st.warning(f"Round {row['round']}: {escape(row['alarm'])}.", icon=":material/warning:")
    columns: dict[str, Any] = {
        "distinct": st.column_config.NumberColumn("distinct word pairs", format="percent"),
        "spread": st.column_config.NumberColumn("spread", format="percent"),
        "words": st.column_config.NumberColumn("mean words", format="%.0f"),
    }
    st.dataframe(
        [{k: v for k, v in row.items() if k != "alarm"} | {"run": called[row["run"]]} for row in found],
        hide_index=True,
        column_config=columns,
    )
    st.caption("A further run of this prompt is its next round: figures that fall say that the rounds collapse.")
