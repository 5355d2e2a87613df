"""Rounds on the built-in model: pairs of its own words, trained further, twice; across a restart of the app."""

from pathlib import Path

import pytest

from kdcore.configs.base import load_config
from kdcore.configs.rounds import RoundsConfig
from kdcore.configs.selection import EVERYTHING
from kdcore.configs.teacher import SamplingConfig
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.models import DEFAULT_TEACHER
from kdcore.records.status import Status
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import rounds
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from tests.conftest import PLAIN, SCRIPTED, import_questions


@pytest.fixture
def answered(app: App, tmp_path: Path) -> str:
    return _answered(app, tmp_path)


def _answered(app: App, folder: Path) -> str:
    project = projects.create_project(app, "P")
    import_questions(app, project, folder, 10)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    review_decisions.decide_all(
        app, project, EVERYTHING, "accept", "me"
    )  # SPIN learns from answers that people accepted
    return project


def test_only_what_a_student_makes_itself_goes_round(app: App, answered: str):
    asks_a_teacher = projects.save_prompt_version(app, answered, "t", METHODS["direct"].template)
    with pytest.raises(ConfigError, match='"direct" asks a teacher'):
        rounds.start(app, answered, RoundsConfig(prompt_version_id=asks_a_teacher, start=DEFAULT_TEACHER))
    pairs = projects.save_prompt_version(app, answered, "s", METHODS["spin_pairs"].template)
    with pytest.raises(ConfigError, match="makes pairs; learn them by dpo"):
        rounds.start(app, answered, RoundsConfig(prompt_version_id=pairs, start=DEFAULT_TEACHER))
    config = RoundsConfig(prompt_version_id=pairs, start=DEFAULT_TEACHER, loss="dpo", checks=("no_such",))
    with pytest.raises(ConfigError, match='unknown check "no_such"'):
        rounds.start(app, answered, config)
    assert rounds.list_loops(app, answered) == []


def test_a_round_without_enough_rows_ends_the_loop(app: App, answered: str):
    pairs = projects.save_prompt_version(app, answered, "s", METHODS["spin_pairs"].template)
    config = RoundsConfig(
        prompt_version_id=pairs, start="scripted", engine="scripted", loss="dpo", rows=4, min_rows=100
    )
    loop = rounds.wait(app, rounds.start(app, answered, config).loop_id)
    assert loop.state == "done", loop.message
    assert "usable rows" in loop.message and loop.message.endswith("100 are needed")


@pytest.mark.long
@pytest.mark.models
def test_two_rounds_of_spin_go_on_after_a_restart(real_app: App, tmp_path: Path):
    project = _answered(real_app, tmp_path)
    brief = METHODS["spin_pairs"].template.model_copy(update={"system": "Answer with one short sentence."})
    pairs = projects.save_prompt_version(real_app, project, "SPIN", brief)
    config = RoundsConfig(
        name="Spin",
        prompt_version_id=pairs,
        start=DEFAULT_TEACHER,
        engine="transformers",
        rounds=2,
        rows=8,
        min_rows=2,
        sampling=SamplingConfig(max_tokens=96, temperature=0.3, top_logprobs=0),
        loss="dpo",
        adapter="lora",
        heldout_share=0.3,
        stop_on_collapse=False,
        general_rows=2,
        shown_answers=1,
    )
    loop = rounds.start(real_app, project, config)
    run = loop.active_run
    assert real_app.wait(run, timeout_s=240).state == "done"
    real_app.close()
    app = App(real_app.folders)
    loop = rounds.wait(app, loop.loop_id)
    assert (loop.state, loop.message) == ("done", "all 2 rounds")
    first, second = loop.rounds
    assert (first.generate, first.model, second.model) == (run, DEFAULT_TEACHER, first.train)
    assert dataset_versions.held_groups(app, first.dataset) == dataset_versions.held_groups(app, second.dataset)
    for each in loop.rounds:
        assert each.figures["usable"] >= 2
        assert each.figures["heldout"]["preferred"] >= 0
        assert each.figures["general_after"] > 0
    assert 0 < first.figures["kl_to_start"] < 1 and second.figures["kl_to_start"] > 0
    with pytest.raises(ConfigError, match="only a stopped or failed one can go on"):
        rounds.go_on(app, loop.loop_id)
    app.close()


def test_rounds_end_where_the_student_has_gone_too_far(app: App, answered: str):
    with pytest.raises(ConfigError, match="measured on the general questions"):
        load_config(RoundsConfig, {"prompt_version_id": "p", "start": "m", "max_kl_to_start": 0.5, "general_rows": 0})
    run = RunDir.create(app.folders.runs, "distill-20260101-000000-aaaa", {"project_id": answered})
    run.write_status(Status("queued", epoch=1))
    with Reporter(run, 1) as reporter:
        for step, nats in ((0, 0.0), (4, 0.75)):
            reporter.metric(step, "general", {"sequence_level_kd": 2.0, "reverse_kl": nats})
    app.tick()
    for most, message in ((0.5, "0.75 nats a token from where round 1 began, 0.5 are allowed"), (1.0, "")):
        config = RoundsConfig(prompt_version_id="p", start="m", max_kl_to_start=most)
        loop = rounds.Loop("l", config, [rounds.Round(1, "m", train=run.run_id)])
        rounds._look_at(app, loop, loop.rounds[0])
        assert loop.rounds[0].figures["kl_to_start"] == 0.75
        assert message in loop.message and (loop.state == "done") is bool(message)
