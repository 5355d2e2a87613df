"""Freezing a selection into an immutable version, comparing versions, exporting them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import cast

from kdcore import ids
from kdcore.configs.selection import All, Selection, to_json
from kdcore.errors import ConfigError
from kdcore.records.datasets import Candidate, Change, CountedVersion, NewRow, Version, VersionRow
from kdcore.records.decisions import DatasetFrozen
from kdcore.services.datasets.split import HELD_OUT_NAMES, Split, by_own_column, split_by_group
from kdcore.services.workspace import App
from kdcore.store import dataset_rows, datasets
from kdcore.store.engine.frozen_files import digest_of, write_frozen


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
) -> Version:
    """Freeze what is selected now; returns the version's record. Raises ConfigError for an empty selection.

    ``rejected`` selects, of what people rejected, the bad answers that come along for ``kto``: those of held-out
    groups stay out. They have a split of their own, so nothing else learns or exports them. ``held`` names the
    groups to hold out instead of a share of them, as an earlier version did.
    """
    name = name.strip()
    if not name:
        raise ConfigError("the dataset version needs a name.")
    if not 0 <= heldout_share < 1:
        raise ConfigError(f"the held-out share is {heldout_share}; give one from 0 to less than 1, such as 0.15.")
    found = datasets.candidates(app.store, project_id, selection)
    if not found:
        raise ConfigError("no usable or accepted sample is selected; widen the filter and freeze again.")
    if held is None:
        splits = split_of(found, heldout_share, seed).sides
    else:
        splits = ["heldout" if held & set(ids.groups_of(row["group_key"])) else "train" for row in found]
    rows = [_as_frozen(row, split) for row, split in zip(found, splits, strict=True)]
    if rejected is not None:
        rows += _bad_ones(datasets.candidates(app.store, project_id, rejected, rejected=True), rows)
    digest = digest_of(rows)
    with app.naming:
        earlier = [d for d in datasets.list_datasets(app.store, project_id) if d["name"] == name]
        version = 1 + max((d["version"] for d in earlier), default=0)
        dataset_id = "ds_" + ids.stable_hash(project_id, name, version, digest, length=12)
        record = DatasetFrozen(
            dataset_id=dataset_id,
            project_id=project_id,
            name=name,
            version=version,
            selection=to_json(selection),
            config={"heldout_share": heldout_share, "seed": seed, "note": note},
            sha256=digest,
            file_sha256=write_frozen(app.folders, dataset_id, rows),
            row_count=len(rows),
            created=time.time(),
        )
        app.decide(record)
    return cast("Version", record.model_dump(exclude={"kind"}))


def split_of(found: Sequence[Candidate], heldout_share: float, seed: int = 0) -> Split:
    """Which candidates are held out: as their files said, else by group and topic."""
    groups = [row["group_key"] for row in found]
    if heldout_share > 0 and any((row["own_split"] or "").lower() in HELD_OUT_NAMES for row in found):
        return by_own_column([row["own_split"] for row in found], groups)
    return split_by_group(groups, heldout_share, seed, [row["topic"] or "" for row in found])


def planned(app: App, project_id: str, selection: Selection, heldout_share: float, seed: int = 0) -> Split:
    """The split that ``freeze`` would make now, with what could not be as it was meant."""
    return split_of(datasets.candidates(app.store, project_id, selection), heldout_share, seed)


def _bad_ones(found: Sequence[Candidate], rows: Sequence[NewRow]) -> list[NewRow]:
    """Rejected answers as rows of a version, without those that belong to one of its held-out groups."""
    held_out = {group for row in rows if row["split"] == "heldout" for group in ids.groups_of(row["group_key"])}
    return [_as_frozen(row, "rejected") for row in found if not held_out & set(ids.groups_of(row["group_key"]))]


def _as_frozen(row: Candidate, split: str) -> NewRow:
    return {
        "sample_id": row["sample_id"],
        "split": split,
        "question": row["question"],
        "answer": row["answer"],
        "rationale": row["rationale"] or "",
        "edited": row["edited"],
        "group_key": row["group_key"],
    }


def held_groups(app: App, dataset_id: str) -> set[str]:
    """The groups that a version holds out."""
    rows = dataset_rows.rows_of(app.store, dataset_id, "heldout")
    return {group for row in rows for group in ids.groups_of(row["group_key"])}


def rejected_count(app: App, project_id: str, selection: Selection) -> int:
    """How many of the selected answers people rejected."""
    return datasets.count_candidates(app.store, project_id, selection, rejected=True)


def list_datasets(app: App, project_id: str) -> list[CountedVersion]:
    """Versions, newest first."""
    return datasets.list_datasets(app.store, project_id)


def rows_of(app: App, dataset_id: str, split: str | None = None, *, rejected: bool = False) -> list[VersionRow]:
    """Rows of a version; ``rejected`` brings the bad answers too."""
    return dataset_rows.rows_of(app.store, dataset_id, split, rejected=rejected)


def labels(app: App, dataset_id: str) -> dict[str, list[str]]:
    """Topics, teachers, tags and picks that a version's training rows have."""
    return datasets.labels(app.store, dataset_id)


def diff(app: App, old: str, new: str) -> list[Change]:
    """Added, dropped and edited rows from one version to another."""
    return datasets.diff(app.store, old, new)
