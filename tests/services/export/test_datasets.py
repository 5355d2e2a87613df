"""A version written out: every row by the batch, what is left out is said, top-k in the teacher's own tokens."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.exporters import EXPORTERS
from kdcore.models import DEFAULT_TEACHER
from kdcore.services import projects
from kdcore.services.datasets import chat_tokens
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.elicit import imports
from kdcore.services.export import datasets as dataset_export
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import App
from kdcore.store import dataset_rows, samples
from tests.conftest import PLAIN, SCRIPTED, import_questions


@pytest.fixture
def version(app: App, tmp_path: Path) -> str:
    """Twenty answers, the first of which a person mended: it has a worse one now."""
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 20)
    prompt = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    assert app.wait(generation_runs.start_run(app, project, prompt, SCRIPTED, PLAIN).run_id).state == "done"
    first, *_ = samples.keys(app.store, project, review_decisions.REVIEWABLE)
    review_decisions.decide(app, first, "edit", "me", answer="A mended answer.")
    return dataset_versions.freeze(app, project, "D")["dataset_id"]


@pytest.mark.parametrize("size", [1, 3, 20, 100])
def test_batches_are_the_rows_in_their_order(app: App, version: str, size: int):
    batches = list(dataset_rows.rows_by_batch(app.store, version, ("heldout", "train"), size))
    assert [row for batch in batches for row in batch] == dataset_rows.rows_of(app.store, version)
    assert all(len(batch) <= size for batch in batches)


def test_the_size_of_a_batch_is_not_in_the_bytes(app: App, version: str, tmp_path: Path, monkeypatch):
    written = []
    for size in (2, 5000):
        monkeypatch.setattr(dataset_export, "AT_ONCE", size)
        done = dataset_export.write(app, version, "chat_jsonl", tmp_path / str(size))
        written.append([(file.name, file.read_bytes()) for file in done.files])
    assert written[0] == written[1]


def test_rows_without_a_place_in_the_format_are_counted_and_said(app: App, version: str, tmp_path: Path):
    done = dataset_export.write(app, version, "preference", tmp_path / "out")
    assert (done.rows, done.left_out) == (1, 19)
    assert done.said.startswith('19 rows are left out: "preference" needs a worse answer')
    assert done.said in (tmp_path / "out" / "README.md").read_text()
    path, said = dataset_export.archive(app, version, "preference")
    assert path.suffix == ".zip" and said == done.said
    whole = dataset_export.write(app, version, "chat_jsonl", tmp_path / "whole")
    assert (whole.rows, whole.left_out, whole.said) == (20, 0, "")


def test_a_version_that_fits_nowhere_is_refused_and_leaves_no_folder(app: App, version: str, tmp_path: Path):
    [project] = [row["project_id"] for row in projects.list_projects(app)]
    review_decisions.undo(app, project, "me")
    plain = dataset_versions.freeze(app, project, "Plain")["dataset_id"]
    with pytest.raises(ConfigError, match=r"no row of this version can be written; .*a worse answer"):
        dataset_export.write(app, plain, "ranked", tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert dataset_export.preview(app, plain, "ranked") == {}


def test_three_rows_of_every_form_are_shown(app: App, version: str):
    for form, exporter in EXPORTERS.items():
        if not exporter.tokens:
            shown = dataset_export.preview(app, version, form)
            assert any("answer" in text.lower() for text in shown.values()), form


def test_probabilities_of_a_teacher_that_is_not_here_are_refused(app: App, version: str, tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no tokenizer of this version's teacher \(scripted\) is on this machine"):
        dataset_export.write(app, version, "distillkit", tmp_path / "out")
    with pytest.raises(ConfigError, match="no rationales between tags"):
        dataset_export.write(app, version, "distillkit", tmp_path / "out", "tags")
    assert not (tmp_path / "out").exists()


def test_what_one_project_takes_away_is_not_what_another_made(app: App, version: str, tmp_path: Path):
    """Versions of one name in two projects, and one version with and without thoughts: four files."""
    [project] = [row["project_id"] for row in projects.list_projects(app)]
    other = projects.create_project(app, "Q")
    import_questions(app, other, tmp_path, 7)
    prompt = projects.save_prompt_version(app, other, "v", METHODS["direct"].template)
    assert app.wait(generation_runs.start_run(app, other, prompt, SCRIPTED, PLAIN).run_id).state == "done"
    its = dataset_versions.freeze(app, other, "D")["dataset_id"]
    paths = {
        dataset_export.archive(app, each, "chat_jsonl", how)[0] for each in (version, its) for how in ("none", "tags")
    }
    assert len(paths) == 4 and {path.name for path in paths} == {"D v1, chat jsonl.zip"}
    assert all(path.exists() for path in paths) and project != other
    assert not [path for path in app.folders.exports.iterdir() if path.name.startswith("tmp")]


def test_a_write_that_fails_leaves_nothing_behind(app: App, version: str, tmp_path: Path, monkeypatch):
    def broken(folder, dataset, rows):
        next(iter(rows))
        (folder / "half.jsonl").write_text("{}")
        raise OSError("the disk is full")

    form = dataset_export.EXPORTERS["chat_jsonl"]
    monkeypatch.setitem(dataset_export.EXPORTERS, "chat_jsonl", replace(form, write=broken))
    with pytest.raises(OSError, match="full"):
        dataset_export.write(app, version, "chat_jsonl", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_row_brings_its_passage_and_what_its_file_said_of_the_licence(app: App, tmp_path: Path):
    project = projects.create_project(app, "P")
    path = tmp_path / "q.csv"
    path.write_text("question,licence\nWhat is rent?,CC BY 4.0\nWhat is a lease?,\n")
    read = imports.read_files(app, project, [(path, "q.csv")], "question", {"text": "question"}, store=True)
    assert app.wait(read.run_id).state == "done"
    prompt = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    assert app.wait(generation_runs.start_run(app, project, prompt, SCRIPTED, PLAIN).run_id).state == "done"
    version = dataset_versions.freeze(app, project, "D", heldout_share=0)["dataset_id"]
    with app.store.transaction() as tx:
        tx.execute("UPDATE seeds SET kind = 'document', text = 'A lease is a contract.' WHERE text LIKE '%lease%'")
    done = dataset_export.write(app, version, "parquet", tmp_path / "out")
    rows = {row["question"]: row for row in pq.read_table(done.files[0]).to_pylist()}
    assert [rows["What is rent?"][name] for name in ("licence", "passage")] == ["CC BY 4.0", ""]
    assert [rows["What is a lease?"][name] for name in ("licence", "passage")] == ["", "A lease is a contract."]


def test_an_empty_version_is_a_sentence(app: App, version: str, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(dataset_export.dataset_rows, "rows_by_batch", lambda *how: iter(()))
    with pytest.raises(ConfigError, match=r"^no row of this version can be written\.$"):
        dataset_export.write(app, version, "chat_jsonl", tmp_path / "out")


@pytest.mark.models
def test_probabilities_stand_at_the_tokens_of_the_answer(
    app: App, version: str, models: Path, tmp_path: Path, monkeypatch
):
    from transformers import AutoTokenizer

    model = models / DEFAULT_TEACHER
    tokenizer = AutoTokenizer.from_pretrained(model)

    def told(app, rows, alike, **_):
        found = {}
        for row in (row for row in rows if not row["edited"]):  # nobody has read the one that a person mended
            own = [*tokenizer(row["completion"])["input_ids"], tokenizer.eos_token_id]
            words = [word for token in own for word in (token, 5)]
            topk = {"sample_id": row["sample_id"], "token_ids": own, "k": 2, "topk_ids": words}
            found[row["sample_id"]] = {**topk, "topk_logprobs": [-0.5, -1.5] * len(own)}
        return found

    monkeypatch.setattr(chat_tokens, "folder_of", lambda app, name: model)
    monkeypatch.setattr(chat_tokens.stored_topk, "of_rows", told)
    for form in ("distillkit", "axolotl_kd"):
        done = dataset_export.write(app, version, form, tmp_path / form)
        assert (done.rows, done.left_out) == (19, 1)
    row, *_ = pq.read_table(tmp_path / "distillkit" / "train.parquet").to_pylist()
    start = row["labels"].index(next(label for label in row["labels"] if label >= 0))
    asked = tokenizer.decode(row["input_ids"][:start])
    assert asked.endswith("<|im_start|>assistant\n") and "What is thing number" in asked
    values = np.asarray(row["compressed_logprobs"], dtype=np.uint8).view("<f4")
    assert values[start - 1].tolist() == [-0.5, -1.5] and values[start - 2][0] == 0.0
    row, *_ = pq.read_table(tmp_path / "axolotl_kd" / "train.parquet").to_pylist()
    whole = tokenizer.apply_chat_template(row["messages"], return_dict=False)
    first = len(whole) - len(row["logprobs"])
    assert [ids[0] for ids in row["target_token_ids"][:-1]] == whole[first + 1 :]
    shown = dataset_export.preview(app, version, "axolotl_kd")
    assert "What is thing number" in shown["train.parquet"] and "logprobs_field" in shown["axolotl.yaml"]


@pytest.mark.models
def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path):
    with (
        pytest.raises(ConfigError, match='the tokens of "m" can\'t be told'),
        chat_tokens.chat_tokens("m", str(tmp_path)),
    ):
        pass


@pytest.mark.models
def test_a_tokenizer_that_dies_ends_the_export_with_a_sentence(models: Path):
    with (
        pytest.raises(ConfigError, match='the process that reads the tokens of "m" ended'),
        chat_tokens.chat_tokens("m", str(models / DEFAULT_TEACHER)) as talk,
    ):
        assert talk.first["vocabulary"] >= 49152
        talk._child.kill()
        talk._child.wait()
        talk.ids('[{"role": "user", "content": "q"}]', "a")


@pytest.mark.models
def test_who_scored_a_version_tells_its_tokens_where_its_teacher_is_far_away(
    app: App, version: str, models: Path, monkeypatch
):
    monkeypatch.setattr(chat_tokens.datasets, "main_teacher", lambda store, dataset_id: "far/away")
    monkeypatch.setattr(chat_tokens.stored_topk, "last_scorer", lambda app, dataset_id: str(models / DEFAULT_TEACHER))
    asked = []
    monkeypatch.setattr(chat_tokens.stored_topk, "of_rows", lambda app, rows, alike, **_: asked.append(alike) or {})
    rows = [row | {"rejected_answers": []} for row in dataset_rows.rows_of(app.store, version)]
    rows[0]["teacher"] = None  # nobody knows who wrote it
    assert [len(batch) for batch in chat_tokens.with_tokens(app, version, [rows])] == [20]
    assert asked == [{str(models / DEFAULT_TEACHER)}]
