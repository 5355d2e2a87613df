"""A student that is shown the question alone: what its rows hold, what it is compared on, what is refused."""

import json

import pyarrow.parquet as pq
import pytest

from kdcore.configs.distillation import DistillConfig, SimilarityConfig, SliceConfig
from kdcore.configs.elicitation import Example
from kdcore.elicitation import METHODS
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill.input import Part, write_input
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import open_app
from kdcore.store import samples
from kdcore.workers.evaluate import as_shown
from tests.conftest import PLAIN, SCRIPTED, import_questions

EXAMPLES = (Example(user="What is a fever?", assistant="A high temperature."),)


@pytest.fixture
def frozen(tmp_path):
    """A workspace with a version whose prompt has a system message and a worked example."""
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 8)
    template = METHODS["direct"].template.model_copy(update={"system": "Be brief.", "examples": EXAMPLES})
    version = projects.save_prompt_version(app, project, "Short", template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    yield app, project
    app.close()


def written(app, tmp_path, dataset: str, prompt: str) -> list[dict]:
    path = tmp_path / f"{prompt}.parquet"
    write_input(app, path, [Part(dataset)], "scripted", prompt=prompt)
    return pq.read_table(path).to_pylist()


def test_the_question_alone_has_neither_system_message_nor_examples(frozen, tmp_path):
    app, project = frozen
    dataset = dataset_versions.freeze(app, project, "D", heldout_share=0.3)["dataset_id"]
    whole, alone = (written(app, tmp_path, dataset, prompt) for prompt in ("teacher", "question"))
    assert [row["asked"] for row in whole] == [row["messages"] for row in whole] == [row["asked"] for row in alone]
    for row in alone:
        asked, shown = json.loads(row["asked"]), json.loads(row["messages"])
        assert [m["role"] for m in asked] == ["system", "user", "assistant", "user"]
        assert shown == asked[-1:]
        assert as_shown(row, "teacher")["messages"] == row["asked"] and as_shown(row, "question") is row
    assert [row["completion"] for row in whole] == [row["completion"] for row in alone]


def test_an_edited_question_is_the_one_that_is_shown(frozen, tmp_path):
    app, project = frozen
    first = samples.keys(app.store, project, review_decisions.REVIEWABLE, sort="topic")[0]
    review_decisions.decide(app, first, "edit", "me", question="Is it so?", answer="It is.")
    dataset = dataset_versions.freeze(app, project, "D")["dataset_id"]
    [row] = [row for row in written(app, tmp_path, dataset, "question") if row["sample_id"] == first]
    assert json.loads(row["messages"]) == [{"role": "user", "content": "Is it so?"}]


def test_a_row_of_an_earlier_file_is_shown_as_it_stands():
    row = {"messages": "[1]", "completion": "c"}
    assert as_shown(row, "teacher")["messages"] == "[1]"


@pytest.mark.parametrize(
    "changes",
    [
        {"slices": (SliceConfig(dataset_id="d", loss="forward_kl", targets="live"),)},
        {"similarity": SimilarityConfig(loss="hidden_mse")},
    ],
)
def test_a_live_teacher_would_read_the_question_alone_too_so_it_is_refused(changes):
    usual = {"slices": (SliceConfig(dataset_id="d", loss="forward_kl"),), **changes}
    DistillConfig(**usual)
    with pytest.raises(ValueError, match="question alone"):
        DistillConfig(prompt="question", **usual)
