"""The command line: configs from files, options that win over them, and samples read out."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kdcore.cli.program import main
from kdcore.cli.shared import project_id
from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.configs.selection import ColumnIs, to_json, to_url
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill import runs as training_runs
from kdcore.services.distill import sweeps
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import open_app
from kdcore.store import samples
from tests.conftest import SCRIPTED, import_questions

ROWS = 12


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> dict:
    """A workspace with rows of several statuses, one decision and a version; only read by the tests."""
    root = tmp_path_factory.mktemp("cli") / "ws"
    app = open_app(root)
    project = projects.create_project(app, "Hearts")
    import_questions(app, project, root.parent, ROWS)
    prompt = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    script = SCRIPTED.model_copy(update={"script": {"fail_every": 3}})
    run = generation_runs.start_run(app, project, prompt, script, generation_runs.SamplingConfig(top_logprobs=0))
    assert app.wait(run.run_id).state == "done"
    first = samples.keys(app.store, project, ColumnIs(column="status", values=("parsed",)))[0]
    review_decisions.decide(app, first, "edit", "me", answer="Mended.")
    version = dataset_versions.freeze(app, project, "D", heldout_share=0.3)
    app.close()
    return {"root": root, "project": project, "prompt": prompt, "version": version["dataset_id"], "edited": first}


@pytest.fixture
def kd(made, capsys):
    def run(*arguments: object) -> tuple[int, dict, str]:
        code: int | str | None = 0
        try:
            main([*(str(a) for a in arguments), "--workspace", str(made["root"]), "--json"])
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        return code, json.loads(said.out) if said.out else {}, said.err

    return run


def test_samples_of_every_status_with_what_people_decided(kd, made):
    code, said, _ = kd("samples", "--project", "Hearts")
    assert code == 0
    assert said["total"] == len(said["samples"]) == ROWS
    fields = {"sample_id", "question", "answer", "rationale", "status", "reason", "role", "topic", "run_id"}
    assert all(fields <= set(row) for row in said["samples"])
    assert {row["status"] for row in said["samples"]} == {"parsed", "failed"}
    [edited] = [row for row in said["samples"] if row["sample_id"] == made["edited"]]
    assert (edited["review"], edited["edited_answer"]) == ("edit", "Mended.")


def test_samples_filtered_as_json_as_a_link_and_limited(kd):
    failed = ColumnIs(column="status", values=("failed",))
    link = f"http://localhost:8501/explore?project=p&filter={to_url(failed)}"
    found = [kd("samples", "--project", "Hearts", "--filter", f)[1] for f in (to_json(failed), to_url(failed), link)]
    assert found[0] == found[1] == found[2]
    assert found[0]["total"] and {row["status"] for row in found[0]["samples"]} == {"failed"}
    _, said, _ = kd("samples", "--project", "Hearts", "--limit", 3)
    assert (len(said["samples"]), said["total"]) == (3, ROWS)


@pytest.mark.parametrize("ending", ["jsonl", "parquet"])
def test_samples_written_to_a_file(kd, tmp_path: Path, ending):
    out = tmp_path / f"rows.{ending}"
    _, said, _ = kd("samples", "--project", "Hearts", "--out", out)
    lines = out.read_text().splitlines() if ending == "jsonl" else []
    rows = [json.loads(line) for line in lines] if lines else pq.read_table(out).to_pylist()
    assert [r["sample_id"] for r in rows] == [r["sample_id"] for r in said["samples"]]
    messages = rows[0]["messages"] if lines else json.loads(rows[0]["messages"])
    assert messages == said["samples"][0]["messages"]


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (("samples", "--project", "Hearts", "--filter", "{]"), "no filter|not a filter"),
        (("samples", "--project", "Hearts", "--filter", "damaged"), "damaged"),
        (("samples", "--project", "Hearts", "--filter", "http://x/explore?project=p"), "has no filter"),
        (("samples", "--project", "Hearts", "--limit", "-1"), "--limit is -1"),
        (("samples", "--project", "Hearts", "--out", "rows.csv"), "ends in .jsonl or .parquet"),
        (("samples", "--project", "Nobody"), 'no project "Nobody"'),
        (("samples", "--project", "Hearts", "--filter", "http://[::1"), "no link"),
        (("samples", "--project", "Hearts", "--out", "/proc/rows.jsonl"), "can't be read or written"),
        (("embed", "--project", "Hearts", "--clusters", "-1"), "no whole number"),
        (("elicit", "direct", "--project", "Hearts", "--preview", "-1"), "no whole number"),
        (("dataset", "--project", "Hearts", "--freeze", "x", "--heldout", "2"), "no share"),
        (("dataset", "--project", "Hearts", "--freeze", "x", "--heldout", "nan"), "no share"),
        (("review", "caf\udce9", "accept"), "no text in UTF-8"),
        (("distill", "--resume", "a" * 300), "no run"),
        (("rounds", "--resume", "a" * 300), "no rounds"),
        (("import", "a" * 300, "--project", "Hearts"), "can't be read|no file"),
        (("distill", "--project", "Hearts", "--config", "[" * 3000), "not JSON"),
        (("distill", "--project", "Hearts", "--config", '{"seed": NaN}'), "not JSON"),
        (
            ("distill", "--project", "Hearts", "--config", '{"slices": [{"dataset_id": "\\ud800"}]}'),
            "half a character",
        ),
        (("distill", "--project", "Hearts", "--config", "nowhere.json"), "can't be read"),
        (("distill", "--project", "Hearts", "--config", "[1]"), "no object"),
        (("distill", "--project", "Hearts", "--config", '{"slices": 3}'), "slices is no list"),
        (("distill", "--project", "Hearts", "--config", '{"lerning_rate": 1}'), "lerning_rate"),
        (("distill", "--project", "Hearts", "--config", '{"slices": [{"weight": -1}]}'), "weight"),
        (("generate", "--project", "Hearts", "--config", '{"techer": {}}'), 'field "techer"'),
        (("generate", "--project", "Hearts", "--config", '{"sampling": 3}'), "sampling is 3"),
        (("rounds", "--project", "Hearts", "--config", '{"rounds": 99}'), "rounds"),
        (("distill", "--project", "Hearts", "--beta", "0.5"), "forward_kl has no beta"),
        (("distill", "--project", "Hearts", "--config", '{"slices": [{"beta": 0.5}]}'), "has no such setting"),
        (("evaluate", "--config", '{"max_items": 3}'), "needs a training run"),
        (("evaluate", "x", "--config", '{"items": 3}'), 'field "items"'),
        (("export", "--config", '{"out": "x"}'), "one of the two"),
        (("export", "d"), "needs --out"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_code_2(kd, arguments, word):
    code, said, error = kd(*arguments)
    assert (code, said) == (2, {})
    assert any(part in error for part in word.split("|")), error
    assert "Traceback" not in error and error.count("\n") == 1


def test_without_a_name_the_only_project_is_meant_and_of_several_none(kd, tmp_path: Path):
    code, _, error = kd("rounds", "--config", '{"prompt_version_id": "none", "start": "scripted"}')
    assert code == 2 and "--project" not in error and "None" not in error
    assert kd("samples")[1]["total"] == ROWS
    assert kd("samples", "--project", "")[0] == 2  # an empty variable of a shell is no choice
    app = open_app(tmp_path / "two")
    for name in ("Hearts", "Leases"):
        projects.create_project(app, name)
        with pytest.raises(ConfigError, match="--project is missing; give the name of a project"):
            project_id(app, None, create=True)
        if name == "Hearts":
            assert project_id(app, None) == project_id(app, "Hearts")
    with pytest.raises(ConfigError, match='"Hearts", "Leases"'):
        project_id(app, None)
    app.close()


def recipe_of(kd, monkeypatch, *arguments: object) -> dict:
    """The config that ``kd distill`` would train."""
    seen: list = []

    def start(app, project, config):
        seen.append(config)
        raise training_runs.ConfigError("not trained here.")

    monkeypatch.setattr(training_runs, "start_run", start)
    kd("distill", "--project", "Hearts", *arguments)
    return seen[0].model_dump(mode="json")


def test_without_a_config_the_recipe_is_that_of_0_1_0(kd, monkeypatch, made):
    recipe = recipe_of(kd, monkeypatch)
    [part] = recipe["slices"]
    assert (part["dataset_id"], part["loss"], part["targets"]) == (made["version"], "forward_kl", "stored")
    assert (recipe["epochs"], recipe["student"]["init"], recipe["student"]["keep_layers"]) == (
        3,
        "teacher_layers",
        10,
    )


def test_a_config_has_several_slices_and_an_option_wins_over_it(kd, monkeypatch, made, tmp_path):
    wanted = {
        "learning_rate": 1e-4,
        "epochs": 9,
        "slices": [
            {"loss": "dpo", "loss_config": {"beta": 0.3}, "weight": 2},
            {"loss": "sequence_level_kd", "selection": json.loads(to_json(ColumnIs(column="topic", values=("t",))))},
        ],
    }
    file = tmp_path / "recipe.json"
    file.write_text(json.dumps(wanted))
    recipe = recipe_of(kd, monkeypatch, "--config", file, "--epochs", 2)
    assert (recipe["learning_rate"], recipe["epochs"]) == (1e-4, 2)
    first, second = recipe["slices"]
    assert (first["loss"], first["weight"], first["loss_config"]["beta"]) == ("dpo", 2, 0.3)
    assert second["selection"]["values"] == ["t"]
    assert {first["dataset_id"], second["dataset_id"]} == {made["version"]}
    softer = recipe_of(kd, monkeypatch, "--config", file, "--beta", 0.7, "--loss", "dpo")
    assert [part["loss_config"] for part in softer["slices"]] == [{**first["loss_config"], "beta": 0.7}] * 2
    other = recipe_of(kd, monkeypatch, "--config", file, "--loss", "reverse_kl")
    assert {part["loss"] for part in other["slices"]} == {"reverse_kl"}


@pytest.mark.parametrize(("option", "value"), [("--dataset", ""), ("--name", ""), ("--reward-run", "")])
def test_an_empty_option_is_none(kd, monkeypatch, made, option, value):
    assert recipe_of(kd, monkeypatch, option, value)["slices"][0]["dataset_id"] == made["version"]


def test_a_setting_of_the_loss_is_kept_where_the_loss_is_named_beside_it(kd, monkeypatch):
    wanted = '{"slices": [{"loss_config": {"beta": 0.9}}]}'
    [part] = recipe_of(kd, monkeypatch, "--loss", "generalized_jsd", "--config", wanted)["slices"]
    assert part["loss_config"] == {"beta": 0.9}


def test_beta_reaches_the_losses_of_a_sweep_that_have_it_and_no_other(made):
    base = DistillConfig(slices=(SliceConfig(dataset_id="d"),))
    runs = sweeps.plan(base, ["forward_kl", "generalized_jsd"], [], [], "s", own={"beta": 0.9})
    assert [run.slices[0].loss_config for run in runs] == [{}, {"beta": 0.9}]


@pytest.mark.parametrize(
    ("command", "config", "says"),
    [
        ("distill", {"slices": [{"loss": ["dpo"]}]}, "loss is ['dpo']"),
        ("distill", {"slices": [{"loss": {}}]}, "loss is {}"),
        ("distill", {"slices": [{"loss_config": 5}]}, "loss_config is 5"),
        ("distill", {"slices": [{"loss": "generalized_jsd", "loss_config": None}]}, "loss_config is None"),
        *(("distill", {"slices": none}, "slices is no list") for none in ([], "", None, {})),
        ("evaluate", {"train_run_id": 5}, "train_run_id is 5"),
        ("evaluate", {"train_run_id": ["a", 5]}, "train_run_id is ['a', 5]"),
    ],
)
def test_a_config_of_a_wrong_type_is_a_sentence(kd, command, config, says):
    project = [] if command == "evaluate" else ["--project", "Hearts", "--beta", "0.3"]
    code, _, error = kd(command, *project, "--config", json.dumps(config))
    assert (code, says in error) == (2, True), error


def test_the_file_of_a_training_of_0_1_0_is_a_config(kd, monkeypatch):
    """It has the settings of all losses on every slice; those of another loss said nothing then."""
    flat = {"loss": "sequence_level_kd", "beta": 0.3, "alpha": 0.1, "preference_beta": 0.2}
    [part] = recipe_of(kd, monkeypatch, "--config", json.dumps({"slices": [flat]}))["slices"]
    assert (part["loss"], part["loss_config"]) == ("sequence_level_kd", {})
    [part] = recipe_of(kd, monkeypatch, "--config", json.dumps({"slices": [flat | {"loss": "dpo"}]}))["slices"]
    assert part["loss_config"]["beta"] == 0.2


def test_a_place_in_the_config_of_a_run_is_a_folder_of_this_machine(kd, monkeypatch, made):
    own = made["root"] / "models" / "mine"
    given = {"student": {"init": "model", "model": "models:mine"}, "teacher_path": "models:mine"}
    recipe = recipe_of(kd, monkeypatch, "--config", json.dumps(given))
    assert (recipe["student"]["model"], recipe["teacher_path"]) == (str(own), str(own))


def test_a_filter_that_is_none_is_refused_as_what_it_is(kd):
    code, _, error = kd("samples", "--project", "Hearts", "--filter", "xyz")
    assert code == 2 and "damaged" in error and "shown instead" not in error


@pytest.mark.parametrize("command", ["generate", "distill", "rounds"])
def test_a_config_beside_resume_is_refused(kd, command):
    code, _, error = kd(command, "--resume", "x", "--config", "{}")
    assert code == 2 and "--config says nothing beside --resume" in error


def test_the_entry_of_0_1_0_still_starts():
    from kdcore.cli import main as entry

    assert callable(entry)


def test_generate_by_the_config_of_a_run_and_an_option_on_top(kd, made):
    _, said, _ = kd("samples", "--project", "Hearts", "--limit", 1)
    config = made["root"] / "runs" / said["samples"][0]["run_id"] / "config.json"
    before = kd("samples", "--project", "Hearts")[1]["total"]
    code, again, error = kd("generate", "--config", config, "--rows", 2, "-n", 2)
    assert code == 0, error
    assert again["funnel"]["requested"] == 2
    assert kd("samples", "--project", "Hearts")[1]["total"] == before + 4


def test_export_by_a_config(kd, made, tmp_path):
    wanted = {"dataset_id": made["version"], "format": "parquet", "out": str(tmp_path / "a")}
    code, said, _ = kd("export", "--config", json.dumps(wanted), "--format", "chat_jsonl")
    assert (code, said["format"]) == (0, "chat_jsonl")
    assert said["files"] and all(Path(f).exists() for f in said["files"])
