"""Who decided what on which text: stale decisions are conflicts, opinions on one text are none."""

import os
import threading

import pytest

from kdcore.elicitation import METHODS
from kdcore.errors import ConflictError
from kdcore.records.decisions import Decision
from kdcore.services import projects
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions
from kdcore.services.workspace import App
from kdcore.store import samples
from tests.conftest import PLAIN, SCRIPTED, import_questions


@pytest.fixture
def asked(app: App, tmp_path) -> tuple[str, list[str]]:
    """A project with ten answers."""
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 10)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    return project, decisions.queue(app, project)


def revision(app: App, sample_id: str) -> str:
    return decisions.revision(samples.by_ids(app.store, [sample_id])[0])


def test_an_acceptance_of_a_text_that_was_replaced_meanwhile_is_a_conflict(app: App, asked):
    """B edits; A, who still sees the old answer, accepts: nothing stands under A's name."""
    _, [sample, *_] = asked
    seen = revision(app, sample)
    decisions.decide(app, sample, "edit", "Dr B", answer="Give 50 mg.", seen=seen)
    for action, text in (("accept", None), ("reject", None), ("edit", "Give 5 mg.")):
        with pytest.raises(ConflictError, match="Dr B changed this answer after you opened it"):
            decisions.decide(app, sample, action, "Dr A", answer=text, seen=seen)
    rows = app.store.rows("SELECT reviewer, action, answer FROM reviews WHERE sample_id = ?", [sample])
    assert rows == [{"reviewer": "Dr B", "action": "edit", "answer": "Give 50 mg."}]
    decisions.decide(app, sample, "accept", "Dr A", seen=revision(app, sample))


def test_opinions_of_several_people_on_one_text_are_all_kept(app: App, asked):
    _, [sample, *_] = asked
    seen = revision(app, sample)
    for who, action in (("Dr A", "accept"), ("Dr B", "reject"), ("Dr C", "accept")):
        decisions.decide(app, sample, action, who, seen=seen)
    rows = app.store.rows("SELECT reviewer FROM reviews WHERE sample_id = ? ORDER BY seq", [sample])
    assert [row["reviewer"] for row in rows] == ["Dr A", "Dr B", "Dr C"]


def test_undo_takes_back_ones_own_and_makes_the_old_text_the_current_one(app: App, asked):
    project, [sample, *_] = asked
    seen = revision(app, sample)
    decisions.decide(app, sample, "edit", "Dr B", answer="Give 50 mg.", seen=seen)
    assert decisions.undo(app, project, "Dr D") is None
    assert decisions.undo(app, project, "Dr B") == sample
    decisions.decide(app, sample, "accept", "Dr A", seen=seen)


def test_a_double_click_on_an_edit_is_no_conflict(app: App, asked):
    _, [sample, *_] = asked
    seen = revision(app, sample)
    for _ in range(2):
        decisions.decide(app, sample, "edit", "Dr A", event_id="ev_1", answer="Once.", seen=seen)
    assert app.store.scalar("SELECT count(*) FROM reviews") == 1


def test_twenty_threads_editing_the_same_rows(app: App, asked):
    """Accepted and conflicts are all attempts; each stored edit stands on the text that its author saw."""
    _, chosen = asked
    stored: list[tuple[str, str, str]] = []
    conflicts: list[str] = []
    each = int(os.environ.get("KD_EDITS", "30"))  # make check: fewer; make test-long: 600

    def work(who: int) -> None:
        for n in range(each):
            sample = chosen[(who + n) % len(chosen)]
            seen = revision(app, sample)
            text = f"by {who} n {n}"
            try:
                decisions.decide(app, sample, "edit", f"rev{who}", answer=text, seen=seen)
                stored.append((sample, seen, text))
            except ConflictError:
                conflicts.append(text)

    threads = [threading.Thread(target=work, args=(who,)) for who in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(stored) + len(conflicts) == 20 * each
    assert conflicts, "twenty threads on ten rows meet"
    rows = app.store.rows("SELECT sample_id, answer FROM reviews WHERE action = 'edit' ORDER BY seq")
    assert len(rows) == len(stored)
    told = {text: (sample, seen) for sample, seen, text in stored}
    first = {row["sample_id"]: row for row in samples.by_ids(app.store, chosen)}
    standing = {s: decisions.revision({**first[s], "edited_answer": None, "edited_question": None}) for s in chosen}
    for row in rows:
        sample, seen = told[row["answer"]]
        assert (sample, seen) == (row["sample_id"], standing[sample])
        standing[sample] = decisions.revision(
            {**first[sample], "edited_answer": row["answer"], "edited_question": None}
        )


def test_the_revision_goes_into_the_log(app: App, asked):
    _, [sample, *_] = asked
    seen = revision(app, sample)
    decisions.decide(app, sample, Decision.ACCEPT, "Dr A", seen=seen)
    assert f'"seen":"{seen}"' in app.folders.decisions.read_text()
