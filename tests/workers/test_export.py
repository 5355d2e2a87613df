"""A student is copied to take away: the GGUF read back answers as the student does, the card lies beside it."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.jobs import parquet
from kdcore.jobs.run_dir import RunDir
from kdcore.records.datasets import EARLIER_COLUMNS
from kdcore.records.status import Status
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill.input import Part, write_input
from kdcore.services.export import students
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App
from tests.conftest import PLAIN, SCRIPTED, import_questions

pytestmark = pytest.mark.models


@pytest.fixture
def trained(app: App, tmp_path: Path, models: Path) -> str:
    """A run whose student is a tiny Llama with grouped keys and the built-in tokenizer."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 12)
    prompt = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    asked = generation_runs.start_run(app, project, prompt, SCRIPTED, PLAIN)
    assert app.wait(asked.run_id).state == "done"
    version = dataset_versions.freeze(app, project, "D")["dataset_id"]
    config = DistillConfig(project_id=project, name="Tiny", slices=(SliceConfig(dataset_id=version),))
    run = RunDir.create(app.folders.runs, "distill-tiny", config.model_dump(mode="json"))
    tokenizer = AutoTokenizer.from_pretrained(models / "smollm2-135m-instruct")
    torch.manual_seed(0)
    shape = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=64, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, tie_word_embeddings=True, eos_token_id=tokenizer.eos_token_id, initializer_range=0.2,
    )  # fmt: skip
    LlamaForCausalLM(shape).save_pretrained(run.path / "student")
    tokenizer.save_pretrained(run.path / "student")
    write_input(app, run.path / "input.parquet", [Part(version, rows=3)], "scripted")
    run.write_status(Status("done", epoch=1))
    app.tick()
    return run.run_id


def test_a_gguf_read_back_gives_the_students_own_logits(app: App, trained: str, tmp_path: Path):
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    run = students.start_export(app, trained, "gguf")
    assert app.wait(run.run_id, timeout_s=120).state == "done", run.status().message
    files = students.copy_to(app, run.run_id, tmp_path / "out")
    assert [f.name for f in files] == ["README.md", "Tiny-f16.gguf"]
    assert "| D v1 | 3 |" in files[0].read_text(), "the rows it learnt, not those of the whole version"
    own = AutoModelForCausalLM.from_pretrained(app.run_dir(trained).path / "student", dtype=torch.float32).eval()
    words = AutoTokenizer.from_pretrained(app.run_dir(trained).path / "student")
    how = {"gguf_file": files[1].name}
    read: torch.nn.Module = AutoModelForCausalLM.from_pretrained(
        tmp_path / "out", quantization_config=GgufConfig(dequantize=True), **how
    ).float()
    again = AutoTokenizer.from_pretrained(tmp_path / "out", **how)
    chat = [{"role": "user", "content": "Dose: 5 mg/kg, naïve, §12(3)?"}]
    ids = words.apply_chat_template(chat, add_generation_prompt=True, return_dict=False)
    assert again.apply_chat_template(chat, add_generation_prompt=True, return_dict=False) == ids
    with torch.inference_mode():
        mine, theirs = own(torch.tensor([ids])).logits, read.eval()(torch.tensor([ids])).logits
    assert (mine - theirs).abs().max() < 0.01 * mine.abs().max()
    assert students.archive(app, run.run_id).stat().st_size > files[1].stat().st_size
    with pytest.raises(ConfigError, match="there already"):
        students.copy_to(app, run.run_id, tmp_path / "out")


def test_a_run_from_before_there_were_rejected_answers_has_a_card_too(app: App, trained: str):
    path = app.run_dir(trained).path / "input.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["rejected_answers"]), path)
    text = students.card(app, trained)
    assert "| D v1 | 3 |" in text
    assert "max steps" not in text, "what was not set is not on the card"


def test_columns_of_earlier_versions_are_read_by_their_names_of_today(app: App, trained: str):
    path = app.run_dir(trained).path / "input.parquet"
    table = pq.read_table(path)
    before = parquet.training_rows(path)
    earlier = {new: old for old, new in EARLIER_COLUMNS.items()}
    pq.write_table(table.rename_columns([earlier.get(name, name) for name in table.column_names]), path)
    assert set(EARLIER_COLUMNS) <= set(parquet.columns_of(path))
    assert parquet.training_rows(path) == before
    assert [set(row) for row in parquet.training_rows(path, wanted=["undesirable"])] == [{"undesirable"}] * len(
        before
    )
    assert "| D v1 |" in students.card(app, trained)


def test_a_folder_has_weights_and_card_and_a_wrong_format_is_said(app: App, trained: str):
    run = students.start_export(app, trained, "safetensors")
    assert app.wait(run.run_id, timeout_s=60).state == "done"
    names = {path.name for path in students.folder_of(app, run.run_id).iterdir()}
    assert {"README.md", "config.json", "model.safetensors", "tokenizer.json"} <= names
    assert [e["run_id"] for e in students.exports(app, trained)] == [run.run_id]
    with pytest.raises(ConfigError, match="safetensors, gguf"):
        students.start_export(app, trained, "onnx")
