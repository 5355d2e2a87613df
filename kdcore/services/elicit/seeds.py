"""What a method is fed: questions, passages, or answers that are there, each as rows that templates see."""

from __future__ import annotations

import json
from collections import defaultdict

from kdcore import ids
from kdcore.configs.selection import All, ColumnIs, Not, ReviewIs, Selection
from kdcore.elicitation import METHODS
from kdcore.elicitation.base import find_method
from kdcore.records.decisions import KEPT, Decision
from kdcore.records.samples import Sample
from kdcore.services import projects
from kdcore.services.workspace import App
from kdcore.store import samples

NEEDS = {
    "question": "there are no seed questions to ask; import some on the Elicit page.",
    "document": "there are no source passages to ask about; import some on the Elicit page.",
    "answers": "there are no answers to work on; ask the teacher with another method first.",
}
NEEDS_ACCEPTED = "no answer was accepted or edited yet; judge some on the Review page first."
NEEDS_TWO = "no question has two different answers yet; ask each question more than once (n above 1) first."
ANSWERED = All(
    parts=(
        ColumnIs(column="status", values=("parsed",)),
        ColumnIs(column="role", values=("answer",)),
        Not(part=ReviewIs(states=(Decision.REJECT,))),
    )
)
ACCEPTED = ReviewIs(states=KEPT)


def pool_of(app: App, project_id: str, method_name: str) -> list[dict[str, str]]:
    """What a method's pool begins with: all questions or passages of the project, with what a split keeps whole."""
    kind = find_method(METHODS, method_name).pool
    if not kind:
        return []
    rows = projects.seeds(app, project_id, kind=kind)
    return [
        {"text": text, "group": ids.group_key(row["group"], row["source"], row["seed_id"])}
        for row in rows
        if (text := row["source" if kind == "document" else "question"])
    ]


def missing(method_name: str) -> str:
    """What to say where a method has nothing to work on."""
    method = find_method(METHODS, method_name)
    if method.accepted_only:
        return NEEDS_ACCEPTED
    return NEEDS_TWO if method.together else NEEDS[method.takes]


def for_method(
    app: App,
    project_id: str,
    method_name: str,
    *,
    topics: list[str] | None = None,
    limit: int | None = None,
    selection: Selection | None = None,
    seed_ids: list[str] | None = None,
) -> list[dict[str, str]]:
    """Seed rows of a method; ``selection`` narrows the answers of a feedback method."""
    method = find_method(METHODS, method_name)
    if method.takes == "answers":
        if method.accepted_only:
            selection = All(parts=(selection, ACCEPTED)) if selection else ACCEPTED
        rows = _answers(app, project_id, selection or ANSWERED, grouped=method.together)
        rows = [row for row in rows if topics is None or row["topic"] in topics]
    else:
        rows = projects.seeds(app, project_id, kind=method.takes, topics=topics, limit=None if seed_ids else limit)
    if seed_ids is not None:
        wanted = set(seed_ids)
        rows = [row for row in rows if row["seed_id"] in wanted]
    return rows[:limit]


def _answers(app: App, project_id: str, selection: Selection, *, grouped: bool) -> list[dict[str, str]]:
    """Samples as seeds; ``grouped`` puts all different answers to one question into one seed."""
    wanted = All(parts=(ANSWERED, selection))
    found = samples.by_ids(app.store, samples.keys(app.store, project_id, wanted))
    domain = next((p["domain"] or "" for p in projects.list_projects(app) if p["project_id"] == project_id), "")
    rows = [_as_seed(row, domain) for row in found]
    if not grouped:
        return rows
    together: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in rows:
        together[row["question"]].append(row)
    return [
        {
            **members[0],
            "answers": json.dumps([m["answer"] for m in members], ensure_ascii=False),
            "sample_ids": json.dumps([m["sample_id"] for m in members]),
        }
        for members in together.values()
        if len({m["answer"] for m in members}) > 1
    ]


def _as_seed(row: Sample, domain: str) -> dict[str, str]:
    return {
        "seed_id": row["sample_id"],
        "sample_id": row["sample_id"],
        "question": row["edited_question"] or row["question"],
        "answer": row["edited_answer"] or row["answer"],
        "rationale": row["rationale"] or "",
        "source": row["source"] or "",
        "topic": row["topic"] or "",
        "difficulty": row["difficulty"] or "",
        "reader": row["reader"] or "",
        "group": row["group_key"] or "",
        "domain": domain,
    }
