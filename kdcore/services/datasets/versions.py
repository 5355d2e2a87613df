"""Freezing a selection into an immutable version, comparing versions, exporting them."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from pathlib import Path
from typing import Any

from kdcore import ids
from kdcore.configs.selection import All, Selection, to_json
from kdcore.errors import ConfigError
from kdcore.exporters import EXPORTERS
from kdcore.services.distill.input import texts
from kdcore.services.workspace import App
from kdcore.store import datasets
from kdcore.store.engine.frozen_files import COLUMNS, write_frozen


def split_by_group(groups: list[str], heldout_share: float, seed: int = 0) -> list[str]:
    """``train`` or ``heldout`` for each row; a group is never torn apart.

    Groups are met in the order of a hash of their name, so new groups hardly move the old ones, and a group is
    held out when that brings the held-out rows nearer to the share. At least one group is held out where there
    are two or more, and never all. Groups that share a row (one made of two seeds) count as one group.
    """
    groups = joined_groups(groups)
    sizes = Counter(groups)
    if len(sizes) < 2 or heldout_share <= 0:
        return ["train"] * len(groups)
    wanted, taken, held = heldout_share * len(groups), 0, set[str]()
    order = sorted(sizes, key=lambda group: ids.stable_hash(seed, group))
    for group in order:
        if len(held) + 1 < len(sizes) and abs(taken + sizes[group] - wanted) < abs(taken - wanted):
            held.add(group)
            taken += sizes[group]
    if not held:
        held = {min(order, key=lambda group: sizes[group])}
    return ["heldout" if group in held else "train" for group in groups]


def joined_groups(groups: list[str]) -> list[str]:
    """One name for all groups that rows tie together: the first of each connected set."""
    parent: dict[str, str] = {}

    def root(name: str) -> str:
        while parent.setdefault(name, name) != name:
            name = parent[name]
        return name

    for key in groups:
        first, *others = ids.groups_of(key)
        for other in others:
            parent[max(root(first), root(other))] = min(root(first), root(other))
    return [root(ids.groups_of(key)[0]) for key in groups]


def freeze(
    app: App,
    project_id: str,
    name: str,
    selection: Selection = All(),  # noqa: B008 - frozen, so it can be shared
    heldout_share: float = 0.15,
    seed: int = 0,
    note: str = "",
    rejected: Selection | None = None,
    held: set[str] | None = None,
) -> dict[str, Any]:
    """Freeze what is selected now; returns the version's record. Raises ConfigError for an empty selection.

    ``rejected`` selects, of what people rejected, the bad answers that come along for ``kto``: those of held-out
    groups stay out. They have a split of their own, so nothing else learns or exports them. ``held`` names the
    groups to hold out instead of a share of them, as an earlier version did.
    """
    name = name.strip()
    if not name:
        raise ConfigError("the dataset version needs a name.")
    found = datasets.candidates(app.store, project_id, selection)
    if not found:
        raise ConfigError("no parsed, unrejected sample is selected; widen the filter and freeze again.")
    groups = [row["group_key"] for row in found]
    if held is None:
        splits = split_by_group(groups, heldout_share, seed)
    else:
        splits = ["heldout" if held & set(ids.groups_of(group)) else "train" for group in groups]
    rows = [
        {**row, "split": split, "rationale": row["rationale"] or ""} for row, split in zip(found, splits, strict=True)
    ]
    if rejected is not None:
        rows += _bad_ones(datasets.candidates(app.store, project_id, rejected, rejected=True), rows)
    digest = ids.stable_hash([[row[c] for c in COLUMNS] for row in rows], length=64)
    earlier = [d for d in datasets.list_datasets(app.store, project_id) if d["name"] == name]
    version = 1 + max((d["version"] for d in earlier), default=0)
    record = {
        "dataset_id": "ds_" + ids.stable_hash(project_id, name, version, digest, length=12),
        "project_id": project_id,
        "name": name,
        "version": version,
        "selection": to_json(selection),
        "config": {"heldout_share": heldout_share, "seed": seed, "note": note},
        "sha256": digest,
        "row_count": len(rows),
        "created": time.time(),
    }
    write_frozen(app.folders, record["dataset_id"], rows)
    app.decide("dataset", record)
    return record


def _bad_ones(found: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rejected answers as rows of a version, without those that belong to one of its held-out groups."""
    held_out = {group for row in rows if row["split"] == "heldout" for group in ids.groups_of(row["group_key"])}
    return [
        {**row, "split": "rejected", "rationale": row["rationale"] or ""}
        for row in found
        if not held_out & set(ids.groups_of(row["group_key"]))
    ]


def held_groups(app: App, dataset_id: str) -> set[str]:
    """The groups that a version holds out."""
    rows = datasets.rows_of(app.store, dataset_id, "heldout")
    return {group for row in rows for group in ids.groups_of(row["group_key"])}


def rejected_count(app: App, project_id: str, selection: Selection) -> int:
    """How many of the selected answers people rejected."""
    return datasets.count_candidates(app.store, project_id, selection, rejected=True)


def list_datasets(app: App, project_id: str) -> list[dict[str, Any]]:
    """Versions, newest first."""
    return datasets.list_datasets(app.store, project_id)


def rows_of(app: App, dataset_id: str, split: str | None = None, *, rejected: bool = False) -> list[dict[str, Any]]:
    """Rows of a version; ``rejected`` brings the bad answers too."""
    return datasets.rows_of(app.store, dataset_id, split, rejected=rejected)


def labels(app: App, dataset_id: str) -> dict[str, list[str]]:
    """Topics, teachers, tags and picks that a version's training rows have."""
    return datasets.labels(app.store, dataset_id)


def diff(app: App, old: str, new: str) -> list[dict[str, Any]]:
    """Added, dropped and edited rows from one version to another."""
    return datasets.diff(app.store, old, new)


def export(app: App, dataset_id: str, exporter: str, folder: Path | None = None) -> list[Path]:
    """Write a version in one format; returns the files. The folder is made anew."""
    if exporter not in EXPORTERS:
        raise ConfigError(f'unknown format "{exporter}"; known: {", ".join(EXPORTERS)}.')
    dataset = datasets.get(app.store, dataset_id)
    if dataset is None:
        raise ConfigError(f'there is no dataset version "{dataset_id}" in this workspace.')
    target = folder or app.folders.exports / f"{dataset_id}-{exporter}"
    if folder is not None and folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"the folder {folder} is not empty; give a new or an empty one.")
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    return EXPORTERS[exporter].write(target, dataset, texts(app, datasets.rows_of(app.store, dataset_id)))


def zip_export(app: App, dataset_id: str, exporter: str) -> Path:
    """One file to download."""
    files = export(app, dataset_id, exporter)
    root = app.folders.exports / f"{dataset_id}-{exporter}"
    if len(files) == 1:
        return files[0]
    return Path(shutil.make_archive(str(root), "zip", root))
