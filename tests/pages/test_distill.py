"""The Distill page: from a training back to its rows, what its student says, sweeps, and the copy to take away."""

import json

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.errors import ConfigError
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.records.journal import TrainAnswerRecord
from kdcore.records.status import Status
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.workspace import open_app
from tests.pages.test_pages import asked, populated, project, run_page, texts

__all__ = ["asked", "populated", "project", "run_page"]
PAGE = "pages/6_Distill.py"
FAILED = "distill-20260101-000000-fail"


def trained(root, project_id: str, name: str, value: float, **changes) -> tuple[str, list[str]]:
    """A run that is done, as its worker would have left it; its id and the samples that it learnt from."""
    app = open_app(root)
    [version] = dataset_versions.list_datasets(app, project_id)
    rows = [row["sample_id"] for row in dataset_versions.rows_of(app, version["dataset_id"], "train")]
    [held, *_] = dataset_versions.rows_of(app, version["dataset_id"], "heldout")
    config = DistillConfig(
        project_id=project_id, name="Tutor", slices=(SliceConfig(dataset_id=version["dataset_id"]),), **changes
    )
    run = RunDir.create(app.folders.runs, f"distill-{name}", config.model_dump(mode="json"))
    run.write_status(Status("queued", epoch=1))
    with Reporter(run, 1) as reporter:
        for step in (1, 2):
            reporter.metric(step, "train", {"loss": 4.0 / step, "learning_rate": 1e-4, "grad_norm": 1.0})
            reporter.learnt(step, [(rows[step], 0, 4.0 / step), (rows[0], 0, 1.0)])
        reporter.metric(2, "heldout", {"forward_kl": value, "preferred": 0.75})
        for step, nats in ((0, 2.0), (2, 2.5)):
            reporter.metric(step, "general", {"sequence_level_kd": nats, "reverse_kl": nats - 2.0})
        said = "what the student said"
        reporter.append(TrainAnswerRecord(attempt=1, step=2, sample_id=held["sample_id"], completion=said))
    app.tick()
    app.close()
    return run.run_id, rows


def test_each_part_of_a_run_that_told_nothing_says_what_is_missing(run_page, populated):
    for view, words in {
        "rows": "No rows are known of this step",
        "answers": "The student has said nothing yet",
        "compare": "No sweep yet",
        "curves": "The first point comes with the first step",
    }.items():
        assert words in texts(run_page(PAGE, project=populated, run=FAILED, see=view)), view


def test_from_a_step_to_its_rows_and_on_to_the_data(run_page, populated, tmp_path):
    run, rows = trained(tmp_path / "ws", populated, "20260102-000000-aaaa", 3.0)
    at = run_page(PAGE, project=populated, run=run, see="rows", step="2")
    step, hardest = at.dataframe
    assert list(step.value["loss"]) == [2.0, 1.0]
    assert sorted(hardest.value["times met"]) == [1, 1, 2]
    at.query_params["see"] = "curves"
    at.run()
    at.query_params["see"], at.query_params["step"] = "rows", "1"  # as a click on another point does
    assert at.run().number_input(key="distill.step").value == 1
    said = run_page(PAGE, project=populated, run=run, see="answers")
    assert "after step 2" in texts(said)
    card = run_page("pages/3_Explore.py", project=populated, sample=rows[0])
    labels = [element.proto.label.replace("\\", "") for element in card.get("page_link")]
    assert any("met 2 times, loss 1.00 → 1.00" in label for label in labels)


def test_what_is_forgotten_stands_below_the_curves(run_page, populated, tmp_path):
    run, _ = trained(tmp_path / "ws", populated, "20260102-000000-aaaa", 3.0)
    at = run_page(PAGE, project=populated, run=run)
    assert "Forgetting and trust" in texts(at)
    shown = {metric.label: (metric.value, metric.delta) for metric in at.metric}
    assert shown["general questions"] == ("2.50", "0.50")
    assert shown["refuses"] == ("0%", "")
    assert shown["from where it began"] == ("0.500", "0.500")


def test_a_reward_model_shows_how_sure_and_how_right_it_is(run_page, populated, tmp_path):
    run, rows = trained(tmp_path / "ws", populated, "20260102-000000-aaaa", 3.0)
    assert "Can its scores be trusted?" not in texts(run_page(PAGE, project=populated, run=run))
    pairs = [{"sample_id": name, "chosen": 2.0 - place, "rejected": 0.5} for place, name in enumerate(rows[:4])]
    (tmp_path / "ws" / "runs" / run / "margins.json").write_text(json.dumps(pairs))
    at = run_page(PAGE, project=populated, run=run)
    shown = {metric.label: metric.value for metric in at.metric}
    assert (shown["held-out pairs"], shown["better answer scored higher"]) == ("4", "50%")
    [wrong] = [frame.value for frame in at.dataframe if "margin" in frame.value]
    assert list(wrong["margin"]) == [-1.5, -0.5]
    assert all(wrong["question"])


def test_words_of_the_tail_and_the_way_back_are_chosen_in_the_form(run_page, populated, asked):
    at = run_page(PAGE, project=populated, see="new")
    at.selectbox(key="slice-0.tail").set_value("drawn").run()
    at.selectbox(key="student.init").select("a model").run()
    at.toggle(key="distill.anchored").set_value(True).run()
    at.button(key="distill.start").click().run()
    [config] = asked
    assert config.slices[0].tail == "drawn"
    assert config.anchor == config.student.model != ""
    at.selectbox(key="loss-0").select("reverse_kl").run()
    assert not any(box.key == "slice-0.tail" for box in at.selectbox)


def test_an_earlier_student_is_trained_further(run_page, populated, monkeypatch):
    started = []

    def check(app, project_id, config):
        started.append(config)
        raise ConfigError("stop here")

    monkeypatch.setattr("kdcore.services.distill.runs.start_preflight", check)
    at = run_page(PAGE, project=populated, see="new")
    at.selectbox(key="student.init").select("an earlier student").run()
    at.button(key="distill.check").click().run()
    assert [(c.student.init, c.student.model) for c in started] == [("model", FAILED)]


def test_a_sweep_is_started_with_what_was_chosen_and_compared(run_page, populated, tmp_path, monkeypatch):
    from kdcore.services.distill import sweeps

    asked = []

    def start(app, project_id, config, **plan):
        asked.append(plan)
        return [FAILED]

    monkeypatch.setattr(sweeps, "start", start)
    at = run_page(PAGE, project=populated, see="new")
    at.text_input(key="sweep.seeds").set_value("0, x").run()
    assert 'Seeds is "0, x"' in texts(at)
    at.text_input(key="sweep.seeds").set_value("0, 1")
    at.text_input(key="sweep.rows").set_value("5, 0")
    assert "Start 4 trainings" in texts(at.run()), "without a choice the recipe's own loss is kept"
    at.multiselect(key="sweep.losses").set_value(["forward_kl", "reverse_kl"]).run()
    assert "Start 8 trainings" in texts(at)
    at.button(key="sweep.start").click().run()
    assert asked == [{"draws": [], "losses": ["forward_kl", "reverse_kl"], "seeds": [0, 1], "rows": [5, 0]}]
    assert at.query_params["see"] == "compare"


def test_runs_of_a_sweep_are_a_table_of_means(run_page, populated, tmp_path):
    sweep = "sweep-20260103-000000-cccc"
    for number, value in enumerate((1.0, 2.0, 3.0)):
        trained(tmp_path / "ws", populated, f"20260103-00000{number}-bbbb", value, seed=number, sweep=sweep)
    at = run_page(PAGE, project=populated, see="compare")
    assert any("3 of 3 trainings done" in element.proto.text for element in at.get("progress"))
    [table] = at.dataframe
    assert list(table.value["losses"]) == ["forward kl"]
    assert list(table.value["seeds"]) == [3]
    assert table.value["distance to the teacher (forward KL)"][0].startswith("2.000 ± 2.48")


def test_losses_show_only_the_settings_that_they_have(run_page, populated, asked):
    at = run_page(PAGE, project=populated, see="new")
    at.number_input(key="distill.slices").set_value(2).run()  # inner states need a slice that learns token by token
    at.selectbox(key="loss-0").set_value("dpo").run()
    assert "needs rows with two answers" in texts(at)
    assert not any(box.key == "slice-0.targets" for box in at.selectbox)
    at.number_input(key="slice-0.dpo.beta").set_value(0.4)
    at.selectbox(key="similarity.loss").set_value("hidden_cosine").run()
    at.number_input(key="similarity.layers").set_value(3).run()
    at.button(key="distill.start").click().run()
    [config] = asked
    assert (config.slices[0].loss, config.slices[0].loss_config) == ("dpo", {"beta": 0.4})
    assert (config.similarity.loss, config.similarity.layers) == ("hidden_cosine", 3)
    assert config.needs_teacher


def test_the_card_of_a_student_is_shown(run_page, populated):
    at = run_page(PAGE, project=populated, run=FAILED, see="take")
    assert any("accept: 1 rows" in e.proto.body or "Nobody has read" in e.proto.body for e in at.get("html"))
    assert "One file for llama.cpp" in texts(at)


def test_a_policy_is_set_up_from_the_same_form(run_page, populated, monkeypatch):
    started = []

    def check(app, project_id, config):
        started.append(config)
        raise ConfigError("stop here")

    monkeypatch.setattr("kdcore.services.distill.runs.start_preflight", check)
    at = run_page(PAGE, project=populated, see="new")
    at.selectbox(key="loss-0").select("grpo").run()
    assert "start from a model or from an earlier student" in texts(at)
    at.selectbox(key="student.init").select("a model").run()
    at.number_input(key="policy.answers").set_value(3)
    at.button(key="distill.check").click().run()
    [config] = started
    assert (config.slices[0].loss, config.policy.reward, config.policy.answers) == ("grpo", "frozen_answer", 3)
    at.selectbox(key="policy.reward").select("reward_model").run()
    assert "There is no reward model yet" in texts(at)


def test_terms_wait_for_a_written_decision(run_page, populated, monkeypatch):
    from kdcore.governance.teacher_terms import UNKNOWN
    from kdcore.services import governance

    monkeypatch.setattr(governance, "entry_of", lambda terms: UNKNOWN)
    at = run_page(PAGE, project=populated, see="new")
    assert "No entry in the registry" in texts(at)
    at.button(key="distill.start").click().run()
    assert "have someone who may decide it write down why" in texts(at)
    [record] = [b for b in at.button if b.label == "Record the decision"]
    record.click().run()
    assert "needs a name and the reason" in texts(at)
    at.text_input(key="terms-who-0").set_value("R. Counsel")
    at.text_area(key="terms-why-0").set_value("Agreement 12 of 2026, all internal use")
    [record] = [b for b in at.button if b.label == "Record the decision"]
    record.click().run()
    assert "No entry in the registry" not in texts(at)


def test_rounds_are_begun_and_followed(run_page, populated, tmp_path):
    from kdcore.configs.rounds import RoundsConfig
    from kdcore.elicitation import METHODS
    from kdcore.services import projects
    from kdcore.services.distill import rounds

    empty = run_page(PAGE, project=populated, see="rounds")
    assert "Rounds need a prompt version of a self-knowledge method" in texts(empty)
    app = open_app(tmp_path / "ws")
    prompt = projects.save_prompt_version(app, populated, "Again", METHODS["rejection_sampling"].template)
    config = RoundsConfig(project_id=populated, name="ReST", prompt_version_id=prompt, start="m")
    figures = {"usable": 40, "distinct": 0.5, "spread": 0.7, "words": 30, "alarm": "spread fell"}
    first = rounds.Round(1, "m", generate="generate-x", dataset="d", train="distill-x", figures=figures)
    ended = rounds.Loop("rounds-1", config, [first], "done", "ended in round 1")
    rounds.WORKFLOW.save(app.folders.root / "rounds" / "rounds-1.json", ended)
    app.close()
    at = run_page(PAGE, project=populated, rounds="rounds-1")
    assert "Ended in round 1" in texts(at)
    assert "Spread fell." in texts(at)
    assert any(list(frame.value.get("usable rows", [])) == ["40"] for frame in at.dataframe)
    assert at.selectbox(key="rounds.prompt").options == ["Again v1 · rejection sampling"]


def test_a_preset_fills_in_the_form_and_can_be_changed(run_page, populated, monkeypatch):
    from kdcore.ui.distill.presets import PRESETS

    started = []

    def check(app, project_id, config):
        started.append(config)
        raise ConfigError("stop here")

    monkeypatch.setattr("kdcore.services.distill.runs.start_preflight", check)
    at = run_page(PAGE, project=populated, see="new")
    at.selectbox(key="distill.preset").select(PRESETS["weak_to_strong"].title).run()
    assert "not the teacher's mistakes" in texts(at)
    at.number_input(key="distill.epochs").set_value(2.0).run()
    at.button(key="distill.check").click().run()
    [config] = started
    part, student = config.slices[0], config.student
    assert (part.loss, student.init, student.adapter) == ("sequence_level_kd", "model", "lora")
    assert (config.epochs, config.learning_rate) == (2.0, 5e-5)
