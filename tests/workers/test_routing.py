"""Each topic or group is asked of the run that did best in it, and only for what is left there."""

from pathlib import Path

import pytest

from kdcore.configs.exploration import EmbedConfig
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.services import projects
from kdcore.services.explore import maps
from kdcore.services.generate import routing
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from tests.conftest import PLAIN, SCRIPTED, import_questions

TOPIC = "SELECT sample_id FROM samples WHERE run_id = ? AND topic = ?"


@pytest.fixture
def arms(app: App, tmp_path: Path) -> tuple[str, str, str]:
    """A project with 20 questions in five topics, and two runs of two prompts over the same ten.

    The first run's answers are rejected in topic 0, the second's in topic 1.
    """
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 20)
    runs: list[str] = []
    for name, system in (("plain", ""), ("careful", "Be careful.")):
        template = METHODS["direct"].template.model_copy(update={"system": system})
        version = projects.save_prompt_version(app, project, name, template)
        run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN, rows=10)
        assert app.wait(run.run_id).state == "done"
        runs.append(run.run_id)
    for run_id, topic in zip(runs, ("topic 0", "topic 1"), strict=True):
        for row in app.store.rows(TOPIC, [run_id, topic]):
            review_decisions.decide(app, row["sample_id"], "reject", "me")
    return project, *runs


def test_each_topic_is_asked_of_its_best(app: App, arms):
    project, plain, careful = arms
    found = {entry["part"]: entry for entry in routing.compare(app, project, [plain, careful], "topic")}
    assert found["topic 0"]["shares"] == {plain: 0.0, careful: 1.0}
    best = {part: entry["best"] for part, entry in found.items()}
    assert best == {"topic 0": careful, "topic 1": plain, "topic 2": plain, "topic 3": plain, "topic 4": plain}
    wanted = routing.plan(app, project, best, "topic")
    assert {run: len(seeds) for run, seeds in wanted.items()} == {careful: 2, plain: 8}
    started = routing.start(app, project, best, "topic")
    with pytest.raises(ConfigError, match="nothing is left to ask"):
        routing.start(app, project, best, "topic")  # pressed twice: what is under way is left to it
    for run in started:
        assert app.wait(run.run_id).state == "done"
    asked = app.store.rows(
        "SELECT topic, count(DISTINCT prompt_version_id) AS prompts, count(*) AS rows FROM samples "
        "WHERE run_id NOT IN (SELECT unnest(?)) GROUP BY 1 ORDER BY 1",
        [[plain, careful]],
    )
    assert [(row["prompts"], row["rows"]) for row in asked] == [(1, 2)] * 5
    with pytest.raises(ConfigError, match="nothing is left to ask"):
        routing.start(app, project, best, "topic")


def test_what_can_not_be_compared_is_said(app: App, arms):
    project, plain, _ = arms
    with pytest.raises(ConfigError, match='there is no run "generate-none"'):
        routing.compare(app, project, [plain, "generate-none"], "topic")
    with pytest.raises(ConfigError, match='has a score of "no check"'):
        routing.compare(app, project, [plain], "topic", "no check")


def test_a_topic_that_is_sent_elsewhere_by_hand_is_asked_there(app: App, arms):
    project, plain, careful = arms
    wanted = routing.plan(app, project, {"topic 0": plain}, "topic")
    asked = {row["seed_id"] for row in app.store.rows("SELECT seed_id FROM seeds WHERE topic = 'topic 0'")}
    assert set(wanted[plain]) == asked  # the rejected ones too
    assert careful not in wanted


@pytest.mark.models
def test_each_group_on_the_map_is_asked_of_its_best(real_app: App, tmp_path: Path):
    app = real_app
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 20)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    with pytest.raises(ConfigError, match="draw one on the Explore page"):
        routing.compare(app, project, [run.run_id], "cluster")
    drawn = maps.start_map(app, project, EmbedConfig(clusters=3))
    assert app.wait(drawn.run_id).state == "done"
    found = routing.compare(app, project, [run.run_id], "cluster")
    assert sum(entry["rows"] for entry in found) == 20 and len(found) == 3
    part = found[0]["part"]
    assert routing.plan(app, project, {part: run.run_id}, "cluster") == {}
    row = app.store.one(
        "SELECT s.sample_id, s.seed_id FROM samples s JOIN placements p USING (sample_id) JOIN clusters c "
        "ON c.cluster = p.cluster AND c.run_id = p.run_id WHERE c.cluster = ?",
        [int(part.rpartition("(")[2].rstrip(")"))],
    )
    review_decisions.decide(app, row["sample_id"], "reject", "me")
    assert routing.plan(app, project, {part: run.run_id}, "cluster") == {run.run_id: [row["seed_id"]]}
