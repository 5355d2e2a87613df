"""Panels of the Datasets page: freeze, rows, export, compare."""

from __future__ import annotations

from typing import Any

import streamlit as st

from kdcore.configs.selection import All, ReviewIs, Selection
from kdcore.exporters import EXPORTERS
from kdcore.records.datasets import CountedVersion, Version
from kdcore.records.decisions import KEPT
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.explore import samples as explore_samples
from kdcore.services.export import datasets as dataset_export
from kdcore.services.workspace import App
from kdcore.ui import filter_bar, sample_card, shell, state
from kdcore.ui.labels import escape, sentence, short

VIEWS = {
    "rows": ":material/table_rows: Rows",
    "probabilities": ":material/thermometer: Probabilities",
    "export": ":material/download: Export",
    "compare": ":material/difference: Compare",
}
ONLY_ACCEPTED = ReviewIs(states=KEPT)


def freeze(app: App, project_id: str, selection: Selection) -> None:
    """Name, held-out share, and exactly how many rows will be frozen."""
    parts = [p for p in filter_bar.parts(selection) if p != All()]
    st.caption(
        "Filter: "
        + (" · ".join(escape(filter_bar.describe(p)) for p in parts) or "every usable answer")
        + ". Rejected answers are never learnt as text."
    )
    only = st.toggle("Only what people accepted or edited", value=False, key="datasets.only")
    bad = dataset_versions.rejected_count(app, project_id, selection)
    with_bad = bad and st.toggle(
        f"Take {bad} rejected answers along",
        key="datasets.rejected",
        help="The loss kto learns to avoid them. Those of held-out groups stay out, and no export holds them.",
    )
    wanted = All(parts=(selection, ONLY_ACCEPTED)) if only else selection
    count = explore_samples.candidates_count(app, project_id, wanted)
    left, middle, right = st.columns([2, 2, 1], vertical_alignment="bottom")
    name = left.text_input("Name", value="Curated answers", key="datasets.name")
    share = middle.slider(
        "Held out for evaluation, by group", 0.0, 0.5, 0.15, 0.05, format="percent", key="datasets.share"
    )
    if count and share:
        for note in dataset_versions.planned(app, project_id, wanted, share).notes:
            st.caption(f":material/info: {escape(sentence(note))}.")
    if right.button(
        f"Freeze {count} rows", type="primary", icon=":material/ac_unit:", disabled=not count, key="datasets.freeze"
    ):
        rejected = selection if with_bad else None
        record = dataset_versions.freeze(app, project_id, name, wanted, heldout_share=share, rejected=rejected)
        state.set_params(dataset=record["dataset_id"])
        st.rerun()


def rows(app: App, version: CountedVersion) -> None:
    """What a version holds."""
    with st.container(horizontal=True):
        st.metric("train", version["train"], border=True)
        st.metric("held out", version["heldout"], border=True)
        st.metric("edited by people", version["edited"], border=True)
        if version["rejected"]:
            st.metric("rejected, for kto", version["rejected"], border=True)
    usable, wanted = version["train"] + version["heldout"], version["config"]["heldout_share"]
    share = version["heldout"] / max(1, usable)
    if abs(share - wanted) > wanted / 2:
        st.warning(f"{share:.0%} are held out where {wanted:.0%} was asked: the groups are too few or too uneven.")
    st.caption(f"Content hash: {version['sha256'][:16]}…")
    found = dataset_versions.rows_of(app, version["dataset_id"], rejected=True)
    event: Any = st.dataframe(
        [
            {
                "split": r["split"],
                "topic": r["topic"],
                "question": r["question"],
                "answer": short(r["answer"], 240),
                "edited": r["edited"],
            }
            for r in found[:500]
        ],
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"rows-{version['dataset_id']}",
    )
    more = f"The first 500 of {len(found)} rows. " if len(found) > 500 else ""
    st.caption(f"{more}Choose a row to see where it came from.")
    for place in event.selection.rows:
        sample_card.thread(app, found[place]["sample_id"])


def export(app: App, version: Version) -> None:
    """One format at a time: how its first rows look, and one button; every row keeps where it came from."""
    known = {name: f"{name.replace('_', ' ')}: {exporter.summary}" for name, exporter in EXPORTERS.items()}
    left, right = st.columns([3, 2], vertical_alignment="bottom")
    with left:
        name = state.choose("Format", list(known), "format", known.__getitem__)
    form = EXPORTERS[name]
    tags = right.toggle("Rationales between think tags", key="export.thoughts", disabled=form.tokens)
    thoughts: dataset_export.Thoughts = "tags" if tags and not form.tokens else "none"
    kept = f"export-{version['dataset_id']}-{name}-{thoughts}"
    if st.button("Prepare", key="export.prepare", type="primary", icon=":material/build:"):
        path, left_out = dataset_export.archive(app, version["dataset_id"], name, thoughts, shell.reviewer())
        state.of_project()[kept] = str(path), left_out
    if ready := state.of_project().get(kept):
        path, left_out = ready
        if left_out:
            st.warning(left_out, icon=":material/filter_alt:")
        with open(path, "rb") as file:
            st.download_button(
                f"Download {path.rsplit('/', 1)[-1]}",
                file.read(),
                path.rsplit("/", 1)[-1],
                key="export.get",
                icon=":material/download:",
            )
    if not form.tokens or st.button("Show the first rows", key="export.show", icon=":material/visibility:"):
        _first_rows(app, version, name, thoughts)


def _first_rows(app: App, version: Version, name: str, thoughts: dataset_export.Thoughts) -> None:
    """How a format's first rows look; a version is frozen, so they are made once."""
    asked = (version["dataset_id"], name, thoughts)
    if state.of_project().get("export.preview", (None,))[0] != asked:
        state.of_project()["export.preview"] = asked, dataset_export.preview(app, *asked)
    _, first = state.of_project()["export.preview"]
    if not first:
        needed = f": it needs {EXPORTERS[name].needs}" if EXPORTERS[name].needs else ""
        st.info(f"None of the first rows of this version fits this format{needed}.", icon=":material/info:")
        return
    st.caption("How the first rows look")
    for file, text in first.items():
        st.caption(file)
        st.code(text, language="json" if file.endswith(("json", "jsonl")) else None, wrap_lines=True, height=260)


def compare(app: App, names: dict[str, str], chosen: str) -> None:
    """Added, dropped and edited rows between two versions."""
    others = [i for i in names if i != chosen]
    if not others:
        st.info("Freeze a second version to compare.", icon=":material/info:")
        return
    old = st.selectbox("Compared with", others, format_func=names.__getitem__, key="datasets.old")
    changes = dataset_versions.diff(app, old, chosen)
    counts = {kind: sum(c["change"] == kind for c in changes) for kind in ("added", "dropped", "edited")}
    st.markdown(f"**+{counts['added']}** added · **−{counts['dropped']}** dropped · **✎ {counts['edited']}** edited")
    if changes:
        st.dataframe(changes[:500], hide_index=True, column_order=["change", "question", "old_answer", "new_answer"])
