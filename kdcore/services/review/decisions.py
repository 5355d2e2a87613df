"""One sample at a time: the queue, the decisions, and taking them back."""

from __future__ import annotations

import time

from kdcore import ids
from kdcore.configs.selection import All, ColumnIs, Not, ReviewIs, Selection
from kdcore.errors import ConfigError, ConflictError
from kdcore.records.decisions import GIVEN, SETTLED, UNDO, Decision, Reviewed, ReviewedMany
from kdcore.records.reviews import AskedReview
from kdcore.records.samples import Sample
from kdcore.services.workspace import App
from kdcore.store import reviews, samples

REVIEWABLE = ColumnIs(column="status", values=("parsed",))
# What a parser, a limit or a refusal cost: a person may find some of it good, or mend it.
LOST = ColumnIs(column="status", op="in", values=("unparsed", "truncated", "refused", "screened"))
QUEUES: dict[str, tuple[str, ColumnIs]] = {"usable": ("Usable", REVIEWABLE), "lost": ("Not usable", LOST)}


def queue(
    app: App,
    project_id: str,
    selection: Selection = All(),  # noqa: B008 - frozen, so it can be shared
    limit: int = 200,
    which: str = "usable",
) -> list[str]:
    """Sample ids of one of the ``QUEUES`` still to judge, first to last: undecided ones, then the skipped."""
    base = All(parts=(QUEUES[which][1], selection))
    pending = All(parts=(base, ReviewIs(states=(Decision.PENDING,))))
    found = samples.keys(app.store, project_id, pending, sort="topic", limit=limit)
    if len(found) < limit:
        skipped = All(parts=(base, ReviewIs(states=(Decision.SKIP,))))
        found += samples.keys(app.store, project_id, skipped, sort="topic", limit=limit - len(found))
    return found


def progress(
    app: App,
    project_id: str,
    selection: Selection = All(),  # noqa: B008 - frozen, so it can be shared
    which: str = "usable",
) -> dict[str, int]:
    """Samples of one of the ``QUEUES`` by decision, ``decided`` and ``total``; "12 of 40" is decided of total."""
    counts = reviews.progress(app.store, project_id, All(parts=(QUEUES[which][1], selection)))
    total = sum(counts.values())
    decided = total - counts.get(Decision.PENDING, 0) - counts.get(Decision.SKIP, 0)
    return {str(state): counts.get(state, 0) for state in Decision} | {"total": total, "decided": decided}


def revision(sample: Sample) -> str:
    """Names the text of a sample as it stands now: question, answer, reasoning. Only an edit makes it another."""
    answer = sample["edited_answer"] or sample["answer"] or sample["completion"]
    return ids.stable_hash(sample["edited_question"] or sample["question"], answer, sample["rationale"], length=16)


def decide(
    app: App,
    sample_id: str,
    action: str,
    reviewer: str,
    event_id: str | None = None,
    question: str | None = None,
    answer: str | None = None,
    note: str = "",
    seen: str = "",
) -> str:
    """Record one decision; the same ``event_id`` twice counts once. Returns the event's id.

    ``seen`` is the ``revision`` of the text that was read. Raises ConflictError, and stores nothing, where it is
    another now; opinions of several people on one text are no conflict.
    """
    if action not in GIVEN:
        raise ConfigError(f'"{action}" is no decision; expected {", ".join(GIVEN)}.')
    found = samples.by_ids(app.store, [sample_id])
    if not found:
        raise ConfigError(f'there is no sample "{sample_id}" in this workspace.')
    if action == Decision.EDIT and not (answer or "").strip():
        raise ConfigError("the edited answer is empty; write one or reject the sample.")
    event = Reviewed(
        event_id=event_id or ids.new_event_id(),
        sample_id=sample_id,
        project_id=found[0]["project_id"],
        reviewer=reviewer,
        action=action,
        question=question if action == Decision.EDIT else None,
        answer=answer if action == Decision.EDIT else None,
        note=note,
        seen=seen,
        created=time.time(),
    )

    def refuse() -> None:
        [now] = samples.by_ids(app.store, [sample_id])
        if seen and revision(now) != seen and not reviews.is_there(app.store, event.event_id):
            who = now["reviewer"] or "somebody"
            raise ConflictError(
                f"{who} changed this answer after you opened it, so your decision was not stored; read it again."
            )

    app.decide(event, refuse)
    return event.event_id


def decide_all(app: App, project_id: str, selection: Selection, action: str, reviewer: str) -> int:
    """Accept or reject every selected sample that nobody has judged; returns how many. One undo takes all back."""
    if action not in (Decision.ACCEPT, Decision.REJECT):
        raise ConfigError(f'"{action}" can\'t be done to many at once; expected accept or reject.')
    chosen = samples.keys(app.store, project_id, undecided(selection))
    if chosen:
        _record_batch(app, project_id, reviewer, action, chosen)
    return len(chosen)


def reject_these(app: App, project_id: str, sample_ids: list[str], reviewer: str, note: str) -> int:
    """Reject given samples with a note; returns how many. One undo takes all back."""
    if sample_ids:
        _record_batch(app, project_id, reviewer, Decision.REJECT, sample_ids, note=note)
    return len(sample_ids)


def count_undecided(app: App, project_id: str, selection: Selection) -> int:
    """Selected samples that ``decide_all`` would reach."""
    return samples.count(app.store, project_id, undecided(selection))


def _record_batch(
    app: App, project_id: str, reviewer: str, action: str, chosen: list[str], undoes: str = "", note: str = ""
) -> None:
    app.decide(
        ReviewedMany(
            batch_id=ids.new_event_id(),
            project_id=project_id,
            reviewer=reviewer,
            action=action,
            sample_ids=tuple(chosen),
            undoes=undoes,
            note=note,
            created=time.time(),
        )
    )


def undo(app: App, project_id: str, reviewer: str) -> str | None:
    """Take back the reviewer's latest decision; returns its sample, or None when there is none.

    A decision about many samples at once is taken back as a whole.
    """
    last = reviews.last_event(app.store, project_id, reviewer)
    if last is None:
        return None
    batch, several, _ = last["event_id"].partition(":")
    if several:
        _record_batch(app, project_id, reviewer, UNDO, reviews.in_batch(app.store, batch), undoes=batch)
        return last["sample_id"]
    app.decide(
        Reviewed(
            event_id=ids.new_event_id(),
            sample_id=last["sample_id"],
            project_id=project_id,
            reviewer=reviewer,
            action=UNDO,
            undoes=last["event_id"],
            created=time.time(),
        )
    )
    return last["sample_id"]


def recent(app: App, project_id: str) -> list[AskedReview]:
    """The latest decisions, newest first."""
    return reviews.recent(app.store, project_id)


def undecided(selection: Selection) -> Selection:
    """The usable part of a selection that nobody has judged."""
    return All(parts=(REVIEWABLE, selection, Not(part=ReviewIs(states=SETTLED))))
