"""What a training or evaluation run is given: frozen texts joined with the teacher's stored top-k."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from kdcore import ids
from kdcore.configs.distillation import Tail
from kdcore.configs.selection import EVERYTHING, Selection
from kdcore.configs.teacher import Prompt
from kdcore.errors import ConfigError
from kdcore.jobs import parquet
from kdcore.records.datasets import TrainingRow, VersionRow
from kdcore.services.datasets import topk as stored_topk
from kdcore.services.datasets.chat_text import WithoutPrompt, texts
from kdcore.services.datasets.tokenizers import same_tokens
from kdcore.services.datasets.topk_fusion import Fusing
from kdcore.services.workspace import App
from kdcore.store import dataset_rows, datasets, verdicts

SCHEMA = pa.schema(
    [
        ("sample_id", pa.string()),
        ("slice", pa.int32()),
        ("split", pa.string()),
        ("messages", pa.string()),
        ("completion", pa.string()),
        ("token_ids", pa.list_(pa.int32())),
        ("k", pa.int32()),
        ("topk_ids", pa.list_(pa.int32())),
        ("topk_logprobs", pa.list_(pa.float16())),
        ("tail_ids", pa.list_(pa.int32())),
        ("tail_logprobs", pa.list_(pa.float32())),
        (stored_topk.TEACHER_MODEL, pa.string()),
        ("rejected_answers", pa.list_(pa.string())),
        ("undesirable", pa.bool_()),
        ("text", pa.string()),  # question and passage, as an encoder reads them
        ("answer", pa.string()),  # without the reasoning
        ("asked", pa.string()),  # the chat that the teacher was shown
    ]
)


@dataclass(frozen=True, slots=True)
class Part:
    """The rows of one slice: of this version, selected, and at most ``rows`` of them (0 takes all).

    They are the first of the pick ``subset``, or drawn by ``seed`` where that is empty. With ``bad_too`` the answers
    that people rejected come along, marked as undesirable. ``teachers`` says whose top-k a row has that several of
    them read, ``tail`` whether words beyond the top-k are taken where some were drawn.
    """

    dataset_id: str
    selection: Selection = EVERYTHING
    rows: int = 0
    seed: int = 0
    subset: str = ""
    bad_too: bool = False
    teachers: Fusing = "one"
    tail: Tail = "bucket"


def write_input(
    app: App,
    path: Path,
    parts: Sequence[Part],
    teacher: str,
    split: str | None = None,
    prompt: Prompt = "teacher",
) -> pa.Table:
    """Write ``input.parquet``; slice i holds the training rows of the i-th part. Returns the table.

    Its held-out rows are all there whatever is selected, so that recipes are measured on the same questions.

    Token ids and top-k are those of ``teacher`` and of teachers with the same tokens as it, kept when they wrote
    the answer or when they scored it; rows without carry text only. ``prompt`` says
    what the student is shown. Raises ConfigError where one version trains on
    what another holds out, or a selection leaves nothing to train on.
    """
    slices = [texts(app, _subset(app, _selected(app, part, split), part)) for part in parts]
    refuse_leaks(slices)
    written_by = {row["teacher"] for frozen in slices for row in frozen}
    alike = same_tokens(app, teacher, written_by | stored_topk.scorers(app))
    rows: list[TrainingRow] = []
    bare = WithoutPrompt(app)
    for number, (part, frozen) in enumerate(zip(parts, slices, strict=True)):
        stored = stored_topk.of_rows(app, frozen, alike, part.teachers)
        if part.tail == "drawn":  # held-out rows stay as they are, so that both kinds are measured alike
            stored |= stored_topk.with_tail(app, [row for row in frozen if row["split"] != "heldout"], alike)
        for row in frozen:
            said = stored.get(row["sample_id"])
            rows.append(
                {
                    "sample_id": row["sample_id"],
                    "slice": number,
                    "split": "train" if row["split"] == "rejected" else row["split"],
                    "messages": row["messages"] if prompt == "teacher" else bare.of(row),
                    "completion": row["completion"],
                    "token_ids": said["token_ids"] if said else None,
                    "k": said["k"] if said else None,
                    "topk_ids": said["topk_ids"] if said else None,
                    "topk_logprobs": said["topk_logprobs"] if said else None,
                    "tail_ids": said.get("tail_ids") if said else None,
                    "tail_logprobs": said.get("tail_logprobs") if said else None,
                    "teacher_model": said.get("teacher_model") if said else None,
                    "rejected_answers": [] if row["split"] == "rejected" else row["rejected_answers"],
                    "undesirable": row["split"] == "rejected",
                    "text": "\n\n".join(part for part in (row["question"], row["source"]) if part),
                    "answer": row["answer"],
                    "asked": row["messages"],
                }
            )
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    parquet.write(table, path)
    return table


def _selected(app: App, part: Part, split: str | None) -> list[VersionRow]:
    rows = dataset_rows.rows_of(app.store, part.dataset_id, split, rejected=part.bad_too)
    if part.selection == EVERYTHING:
        return rows
    chosen = datasets.selected_ids(app.store, part.dataset_id, part.selection)
    kept = [row for row in rows if row["split"] == "heldout" or row["sample_id"] in chosen]
    if not any(row["split"] == "train" for row in kept):
        raise ConfigError(f"the filter of a slice selects no training row of version {part.dataset_id}; widen it.")
    return kept


def _subset(app: App, rows: list[VersionRow], part: Part) -> list[VersionRow]:
    """At most ``part.rows`` training rows; a smaller draw of one seed or pick lies wholly in a larger one.

    Raises ConfigError where the pick holds fewer rows than are asked for.
    """
    train = [row["sample_id"] for row in rows if row["split"] == "train"]
    if not part.rows or (len(train) <= part.rows and not part.subset):
        return rows
    if part.subset:
        places = verdicts.places_in_pick(app.store, part.subset)
        order = sorted((name for name in train if name in places), key=places.__getitem__)
        if len(order) < part.rows:
            raise ConfigError(
                f'"{part.subset}" holds {len(order)} training rows of version {part.dataset_id}, '
                f"{part.rows} are asked for; pick more of them on the Explore page, or ask for fewer."
            )
    else:
        order = sorted(train, key=lambda name: ids.stable_hash(part.seed, name))
    kept = set(order[: part.rows])
    return [row for row in rows if row["split"] != "train" or row["sample_id"] in kept]


def refuse_leaks(slices: Sequence[Sequence[VersionRow]]) -> None:
    """Raise ConfigError if any slice trains on a group that any slice holds out."""
    every = [row for rows in slices for row in rows]
    held = {group for row in every if row["split"] == "heldout" for group in ids.groups_of(row["group_key"])}
    leaked = [row for row in every if row["split"] != "heldout" and held & set(ids.groups_of(row["group_key"]))]
    if leaked:
        raise ConfigError(
            f"{len(leaked)} training rows belong to groups that another slice holds out "
            f'(such as "{leaked[0]["group_key"]}"); choose versions that were frozen with the same split.'
        )
