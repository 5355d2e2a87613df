"""Methods in real worker processes with the scripted teacher: targets, budgets, kept replies, kills."""

import json
import os
import random
import signal
import time
from pathlib import Path

import psutil
import pytest

from kdcore import ids
from kdcore.configs.elicitation import BudgetConfig, TargetConfig
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.jobs.backends import local
from kdcore.services import governance, projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.datasets.split import joined_groups
from kdcore.services.elicit import imports, trial
from kdcore.services.elicit import seeds as method_seeds
from kdcore.services.generate import runs as generation_runs
from kdcore.services.generate import views as run_views
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.types import TERMINAL_STATES
from tests.conftest import PLAIN, import_questions
from tests.workers.test_generate import journal_lines, scripted, wait_for

HOT = SamplingConfig(top_logprobs=0, temperature=0.9)


def begin(app: App, tmp_path: Path, method: str, questions: int = 20, config: dict | None = None, **how):
    project = projects.create_project(app, f"P {method} {len(projects.list_projects(app))}")
    import_questions(app, project, tmp_path, questions)
    template = METHODS[method].template.model_copy(update={"method_config": config or {}})
    version = projects.save_prompt_version(app, project, "v", template)
    teacher = how.pop("teacher", scripted())
    return (
        generation_runs.start_run(app, project, version, teacher, how.pop("sampling", HOT), **how),
        project,
        version,
    )


def rows_of(app: App, run_id: str) -> list[dict]:
    return app.store.rows("SELECT * FROM samples WHERE run_id = ? ORDER BY created", [run_id])


@pytest.mark.parametrize(("wanted", "per_topic"), [(7, False), (33, False), (15, True)])
def test_exactly_the_rows_that_were_asked_for(app: App, tmp_path: Path, wanted, per_topic):
    target = TargetConfig(rows=wanted, per_topic=per_topic, checks=("length",))
    run, _, _ = begin(app, tmp_path, "direct", target=target, teacher=scripted(random=True))
    assert app.wait(run.run_id).state == "done"
    rows = rows_of(app, run.run_id)
    usable = [r for r in rows if r["status"] == "parsed"]
    assert len(usable) == wanted
    assert len({(r["question"], r["answer"]) for r in usable}) == wanted
    if per_topic:
        topics = [r["topic"] for r in usable]
        assert {topics.count(t) for t in set(topics)} == {3}
    funnel = generation_runs.funnel(app, run.run_id)
    assert funnel["rows"] == sum(funnel["by_status"].values()) == len(rows)
    assert funnel["waiting"] == 0  # the target is met: nothing is still to come


def test_a_target_that_can_not_be_met_ends_with_a_reason(app: App, tmp_path: Path):
    target = TargetConfig(rows=50)
    run, _, _ = begin(app, tmp_path, "direct", target=target, teacher=scripted(answer="Always the same words here."))
    status = app.wait(run.run_id)
    assert status.state == "done"
    assert "no row that counts" in status.message
    rows = rows_of(app, run.run_id)
    assert sum(r["status"] == "parsed" for r in rows) == 20  # one for each question, then only repetitions
    assert {r["reason"] for r in rows if r["status"] == "screened"} == {
        "the same question and answer as a counted row"
    }


def test_rows_that_are_too_alike_do_not_count(app: App, tmp_path: Path):
    target = TargetConfig(rows=5, max_similarity=0.5, max_passes=2)
    run, _, _ = begin(app, tmp_path, "direct", target=target)
    app.wait(run.run_id)
    reasons = {r["reason"] for r in rows_of(app, run.run_id) if r["status"] == "screened"}
    assert any("too alike" in reason for reason in reasons)


@pytest.mark.parametrize(
    ("budget", "word"),
    [
        (BudgetConfig(tokens=200), "200 tokens"),
        (BudgetConfig(seconds=1.0), "1 seconds"),
        (BudgetConfig(money=0.0002), "(money)"),
    ],
)
def test_a_budget_stops_the_run_and_resume_goes_on(app: App, tmp_path: Path, budget, word):
    teacher = scripted(delay_s=0.02).model_copy(update={"price_out": 1.0, "price_in": 1.0, "max_concurrency": 2})
    run, _, _ = begin(app, tmp_path, "direct", questions=150, budget=budget, teacher=teacher)
    status = app.wait(run.run_id)
    assert status.state == "done"
    assert "is spent" in status.message and word in status.message
    made = len(rows_of(app, run.run_id))
    assert 0 < made < 150
    assert generation_runs.funnel(app, run.run_id)["waiting"] == 150 - made


def test_a_wide_window_does_not_overrun_a_small_budget(app: App, tmp_path: Path):
    teacher = scripted().model_copy(update={"max_concurrency": 64})
    run, _, _ = begin(app, tmp_path, "direct", questions=150, budget=BudgetConfig(tokens=300), teacher=teacher)
    progress = app.wait(run.run_id).progress
    used = progress["tokens"] + progress["tokens_in"]
    dearest = max(row["prompt_tokens"] + row["completion_tokens"] for row in rows_of(app, run.run_id))
    assert 300 - dearest <= used <= 300 + dearest


def test_a_budget_that_sufficed_is_not_called_spent(app: App, tmp_path: Path):
    exact = BudgetConfig(tokens=3 * (5 + 8))  # words of question and answer
    run, _, _ = begin(app, tmp_path, "direct", questions=3, budget=exact)
    assert app.wait(run.run_id).message == ""
    assert generation_runs.funnel(app, run.run_id)["waiting"] == 0


def test_a_changed_comment_is_free_and_a_changed_prompt_is_paid(app: App, tmp_path: Path):
    ledger = tmp_path / "ledger.jsonl"
    teacher = scripted(ledger=str(ledger))
    first, project, version = begin(app, tmp_path, "dialogue", config={"turns": 2}, teacher=teacher)
    assert app.wait(first.run_id).state == "done"
    paid = len(ledger.read_bytes().splitlines())
    assert paid == 20 * 3
    template = projects.template_of(app, project, version)
    renamed = projects.save_prompt_version(app, project, "another name", template, note="a comment")
    again = generation_runs.start_run(app, project, renamed, teacher, HOT)
    assert app.wait(again.run_id).state == "done"
    assert len(ledger.read_bytes().splitlines()) == paid
    assert app.status(again.run_id).progress["paid"] == 0
    changed = projects.save_prompt_version(
        app, project, "v", template.model_copy(update={"system": "Answer in one sentence."})
    )
    third = generation_runs.start_run(app, project, changed, teacher, HOT)
    assert app.wait(third.run_id).state == "done"
    both = len(ledger.read_bytes().splitlines())
    assert both == paid + 20 * 2  # the asker's question after the same answer is the same call as before
    repeated = generation_runs.start_run(app, project, version, teacher, HOT)
    assert app.wait(repeated.run_id).state == "done"
    assert len(ledger.read_bytes().splitlines()) == both + paid


@pytest.mark.parametrize(
    ("method", "config", "script"),
    [
        ("evol_instruct", {"rounds": 3}, {"answer": "Why would it be so", "random": True}),
        ("dialogue", {"turns": 4}, {}),
        ("self_rewarding", {}, {"random": True}),
    ],
)
def test_killed_among_many_calls_loses_and_repeats_nothing(app: App, tmp_path: Path, method, config, script):
    seed, kills, questions, window = 20261124, 0, 120, 8
    chance = random.Random(seed)
    ledger = tmp_path / "ledger.jsonl"
    teacher = TeacherConfig(
        engine="scripted",
        model="scripted",
        max_concurrency=window,
        script={"ledger": str(ledger), "delay_s": 0.003, **script},
    )
    run, _, _ = begin(app, tmp_path, method, questions, config, teacher=teacher)
    for _ in range(25):
        before = len(ledger.read_bytes().splitlines()) if ledger.exists() else 0
        goal = before + chance.randint(1, 12)
        wait_for(
            lambda goal=goal: (
                run.status().state in TERMINAL_STATES
                or (ledger.exists() and len(ledger.read_bytes().splitlines()) >= goal)
            )
        )
        if run.status().state in TERMINAL_STATES:
            break
        os.killpg(run.status().pid, signal.SIGKILL)
        kills += 1
        wait_for(lambda: not local.is_alive(run.status()))
        generation_runs.resume(app, run.run_id)
    assert app.wait(run.run_id).state == "done"
    rows = rows_of(app, run.run_id)
    assert kills == 25, f"only {kills} kills with seed {seed}"
    assert len(rows) == len({r["sample_id"] for r in rows})
    assert len({r["request_id"] for r in rows}) == questions
    paid = [json.loads(line)["key"] for line in ledger.read_bytes().splitlines()]
    assert len(paid) - len(set(paid)) <= window * kills
    parents = {r["sample_id"] for r in rows}
    assert all(r["parent"] in parents for r in rows if r["parent"])
    assert app.store.scalar("SELECT count(*) FROM quarantine") == 0


def test_memory_stays_flat_over_many_requests(app: App, tmp_path: Path):
    run, _, _ = begin(app, tmp_path, "direct", questions=20_000, sampling=PLAIN)
    seen: list[int] = []
    while app.status(run.run_id).state not in TERMINAL_STATES:
        status = run.status()
        if status.progress.get("done", 0) > 4000 and local.is_alive(status):
            seen.append(psutil.Process(status.pid).memory_info().rss)
        wait_for(lambda: True, 1)
        time.sleep(0.2)
    assert app.wait(run.run_id).state == "done"
    assert len(seen) >= 3, "the run was over before its memory could be read"
    assert seen[-1] - seen[0] < 80e6, f"{(seen[-1] - seen[0]) / 1e6:.0f} MB more at the end than at 4000 requests"


def test_feedback_works_on_answers_and_scores_them(app: App, tmp_path: Path):
    run, project, _ = begin(app, tmp_path, "direct")
    app.wait(run.run_id)
    scores = '{"accuracy": 5, "helpfulness": 2, "clarity": 4, "reason": "so"}'
    version = projects.save_prompt_version(app, project, "judge", METHODS["rubric"].template)
    judged = generation_runs.start_run(app, project, version, scripted(answer=scores), PLAIN, rows=5)
    assert app.wait(judged.run_id).state == "done"
    verdicts = app.store.rows("SELECT * FROM current_verdicts")
    assert {(v["filter"], v["passed"]) for v in verdicts} == {
        ("judge accuracy", True),
        ("judge helpfulness", False),
        ("judge clarity", True),
    }
    own = {r["sample_id"] for r in rows_of(app, run.run_id)}
    assert {v["sample_id"] for v in verdicts} <= own and len(verdicts) == 15


def test_passages_feed_the_methods_that_take_them(app: App, tmp_path: Path):
    project = projects.create_project(app, "Passages", "law")
    path = tmp_path / "act.md"
    path.write_text("A tenant pays rent each month.\n\n" * 120)
    run = imports.read_file(app, project, path, path.name, "document", {"text": "text", "group": "group"})
    assert app.wait(run.run_id).state == "done"
    seeds = method_seeds.for_method(app, project, "document_grounded")
    assert seeds and all("tenant" in row["source"] and not row["question"] for row in seeds)
    version = projects.save_prompt_version(app, project, "v", METHODS["document_grounded"].template)
    said = "Question: Who pays rent?\nAnswer: A tenant pays rent each month."
    made = generation_runs.start_run(app, project, version, scripted(answer=said), PLAIN)
    assert app.wait(made.run_id).state == "done"
    row = rows_of(app, made.run_id)[0]
    assert (row["question"], row["status"], row["group_key"]) == ("Who pays rent?", "parsed", "act")
    assert "tenant" in row["source"]
    with pytest.raises(ConfigError, match="no seed questions"):
        generation_runs.start_run(
            app,
            project,
            projects.save_prompt_version(app, project, "q", METHODS["direct"].template),
            scripted(),
            PLAIN,
        )


def test_a_row_is_asked_again_beside_the_old_one(app: App, tmp_path: Path):
    run, _, _ = begin(app, tmp_path, "direct", questions=3)
    app.wait(run.run_id)
    old = rows_of(app, run.run_id)[0]
    again = generation_runs.regenerate(app, old["sample_id"])
    assert app.wait(again.run_id).state == "done"
    [new] = rows_of(app, again.run_id)
    assert new["seed_id"] == old["seed_id"] and new["sample_id"] != old["sample_id"]


def test_runs_side_by_side_coverage_and_rounds(app: App, tmp_path: Path):
    run, project, version = begin(app, tmp_path, "direct")
    app.wait(run.run_id)
    other = generation_runs.start_run(app, project, version, scripted(answer="The very same words each time."), HOT)
    app.wait(other.run_id)
    found = run_views.side_by_side(app, [run.run_id, other.run_id])
    assert [line["usable"] for line in found["runs"]] == [20, 20]
    assert found["pairs"][0]["seeds"] == 20 and found["pairs"][0]["agreement"] < 0.3
    assert len(found["apart"]) == 20
    cells = run_views.coverage(app, project, run.run_id)
    assert sum(c["rows"] for c in cells) == 20 and {c["topic"] for c in cells} == {f"topic {i}" for i in range(5)}
    rounds = run_views.rounds(app, project, other.run_id)
    assert [r["round"] for r in rounds] == [1, 2]
    assert "collapse" in rounds[1]["alarm"]


def test_growth_is_a_tree(app: App, tmp_path: Path):
    teacher = scripted(answer="Why would it be so", random=True)
    run, _, _ = begin(app, tmp_path, "evol_instruct", 4, {"rounds": 3}, teacher=teacher)
    app.wait(run.run_id)
    [tree, *_] = run_views.trees(app, run.run_id)
    assert [row["depth"] for row in tree["rows"]] == [1, 2, 3]
    assert all(row["operator"] for row in tree["rows"])


def test_sensitive_text_stays_here_unless_an_agreement_is_recorded(app: App, tmp_path: Path):
    _, project, version = begin(app, tmp_path, "direct", questions=3)
    outside = TeacherConfig(engine="openai_http", model="gpt-4o", base_url="https://api.openai.com/v1")
    governance.set_data_class(app, project, "phi")
    with pytest.raises(ConfigError, match="health data of persons"):
        generation_runs.start_run(app, project, version, outside, PLAIN)
    governance.set_data_class(app, project, "phi", "BAA 2026-17")
    assert governance.refuse_zone(app, project, outside).entry.train == "deny_if_competing"
    assert governance.refuse_zone(app, project, TeacherConfig(model="org/SmolLM2-x")).entry.id == "smollm"
    here = generation_runs.start_run(app, project, version, scripted(), PLAIN)
    assert app.wait(here.run_id).state == "done"
    assert all(r["terms"].startswith("scripted@") for r in rows_of(app, here.run_id))


def test_a_stopped_target_goes_on_over_several_passes_to_exactly_its_rows(app: App, tmp_path: Path):
    teacher = scripted(random=True, delay_s=0.05).model_copy(update={"max_concurrency": 2})
    run, _, _ = begin(app, tmp_path, "direct", questions=4, target=TargetConfig(rows=40), teacher=teacher)
    for goal in (9, 17, 26):  # stopped in the second pass and later
        wait_for(lambda goal=goal: journal_lines(run) >= goal or run.status().state in TERMINAL_STATES)
        app.stop(run.run_id)
        assert app.wait(run.run_id).state == "cancelled"
        generation_runs.resume(app, run.run_id)
    status = app.wait(run.run_id)
    assert (status.state, status.message) == ("done", "")
    rows = rows_of(app, run.run_id)
    assert sum(r["status"] == "parsed" for r in rows) == 40
    assert len({r["sample_id"] for r in rows}) == len(rows)


def test_a_spent_budget_is_raised_and_the_run_goes_on(app: App, tmp_path: Path):
    run, _, _ = begin(app, tmp_path, "dialogue", questions=10, config={"turns": 3}, budget=BudgetConfig(tokens=150))
    status = app.wait(run.run_id)
    assert "150 tokens is spent" in status.message
    used = status.progress["tokens"] + status.progress["tokens_in"]
    assert generation_runs.resume(app, run.run_id) and "is spent" in app.wait(run.run_id).message
    again = app.status(run.run_id).progress
    assert again["tokens"] + again["tokens_in"] == used, "what was paid before counts again after a resume"
    generation_runs.resume(app, run.run_id, BudgetConfig(tokens=100_000))
    status = app.wait(run.run_id)
    assert (status.state, status.message) == ("done", "")
    assert generation_runs.funnel(app, run.run_id)["answered"] == 10
    assert status.progress["paid"] == 10 * 5  # three answers and two questions each, none of them twice


def test_a_retry_of_one_failed_row_keeps_the_others(app: App, tmp_path: Path):
    config, heal = {"systems": [f"Voice {i}." for i in range(6)]}, tmp_path / "heal"
    run, _, _ = begin(app, tmp_path, "system_sweep", 6, config, teacher=scripted(fail_until=str(heal), fail_every=3))
    app.wait(run.run_id)
    before = {r["sample_id"]: r for r in rows_of(app, run.run_id)}
    assert {r["status"] for r in before.values()} == {"parsed", "failed"}
    heal.touch()
    generation_runs.retry_failed(app, run.run_id)
    status = app.wait(run.run_id)
    after = {r["sample_id"]: r for r in rows_of(app, run.run_id)}
    assert set(after) == set(before) and len(after) == 36
    kept = [key for key, row in before.items() if row["status"] == "parsed"]
    assert all(after[key]["created"] == before[key]["created"] for key in kept)
    assert status.progress["funnel"] == generation_runs.funnel(app, run.run_id)["by_status"]


def test_judgements_and_rejected_answers_are_no_answers(app: App, tmp_path: Path):
    run, project, _ = begin(app, tmp_path, "direct", questions=4)
    app.wait(run.run_id)
    rows = rows_of(app, run.run_id)
    scores = '{"accuracy": 5, "helpfulness": 2, "clarity": 4, "reason": "so"}'
    version = projects.save_prompt_version(app, project, "judge", METHODS["rubric"].template)
    judged = generation_runs.start_run(app, project, version, scripted(answer=scores), PLAIN)
    app.wait(judged.run_id)
    review_decisions.decide(app, rows[0]["sample_id"], "reject", "me")
    review_decisions.decide(app, rows[1]["sample_id"], "accept", "me")
    own = {r["sample_id"] for r in rows} - {rows[0]["sample_id"]}
    assert {s["seed_id"] for s in method_seeds.for_method(app, project, "rubric")} == own
    assert [s["seed_id"] for s in method_seeds.for_method(app, project, "spin_pairs")] == [rows[1]["sample_id"]]
    frozen = dataset_versions.freeze(app, project, "D")
    assert {r["sample_id"] for r in dataset_versions.rows_of(app, frozen["dataset_id"])} == own


def test_a_trial_keeps_sensitive_text_here_too(app: App, tmp_path: Path):
    _, project, version = begin(app, tmp_path, "direct", questions=3)
    governance.set_data_class(app, project, "phi")
    template = projects.template_of(app, project, version)
    for address in (
        "https://api.openai.com/v1",
        "https://127.0.0.1.evil.example/v1",
        "http://127.0.0.1@evil.example/v1",
    ):
        outside = TeacherConfig(engine="openai_http", model="m", base_url=address)
        with pytest.raises(ConfigError, match="health data of persons"):
            trial.start(app, project, template, outside, PLAIN)
        with pytest.raises(ConfigError, match="health data of persons"):
            trial.start_suggestion(app, project, template, outside, PLAIN)


def test_a_row_of_two_seeds_keeps_both_groups_on_one_side(app: App, tmp_path: Path):
    teacher = scripted(answer="What would both of them have in common here", random=True)
    run, project, _ = begin(app, tmp_path, "instruction_fusion", 20, teacher=teacher)
    app.wait(run.run_id)
    assert all(r["status"] == "parsed" for r in rows_of(app, run.run_id))
    frozen = dataset_versions.freeze(app, project, "D", heldout_share=0.3)
    sides: dict[str, set[str]] = {}
    for row in dataset_versions.rows_of(app, frozen["dataset_id"]):
        for group in ids.groups_of(row["group_key"]):
            sides.setdefault(group, set()).add(row["split"])
    assert all(len(side) == 1 for side in sides.values())
    assert {side for found in sides.values() for side in found} == {"train", "heldout"}
    assert joined_groups(["a", "b", f"a{ids.GROUP_JOIN}b", "c"]) == ["a", "a", "a", "c"]
