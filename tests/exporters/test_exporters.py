"""Every format, by its table: each row is in it, with its text and where it came from, in its split."""

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from kdcore.exporters import EXPORTERS
from kdcore.exporters.card import Tally, card_text
from kdcore.exporters.spreadsheets import CUT, MAX_CELL

VERSION = {"dataset_id": "ds_1", "name": "D", "version": 1, "sha256": "0" * 64, "row_count": 2, "created": 0.0}
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


def row(place: int, split: str, question: str, answer: str) -> dict:
    chat = [{"role": "user", "content": question}]
    return {
        **{"sample_id": f"s{place}", "prompt_version_id": "p", "run_id": "r", "teacher": "m", "topic": "t"},
        **{"source": "", "split": split, "question": question, "answer": answer, "completion": answer},
        **{
            "messages": json.dumps(chat),
            "edited": False,
            "rationale": "",
            "rejected_answers": ["worse"],
            "extra": None,
        },
        "tokens": tokens(answer),
    }


def tokens(answer: str) -> dict:
    """A teacher whose tokens are bytes, asked with three of them; it ends with 256 and thinks 257 second best."""
    own = [*answer.encode(), 256]
    topk = {"token_ids": own, "k": 2, "topk_ids": [word for token in own for word in (257, token)]}
    return {
        **{"vocabulary": 258, "prompt_ids": [1, 2, 3], "chat_ids": [1, 2, 3, *own, 10]},
        "topk": {**topk, "topk_logprobs": [-2.0, -0.25] * len(own)},
    }


def read_back(files: list[Path]) -> list[tuple[str, str]]:
    """(sample id, answer) of every row in what was written, whatever the format."""
    found: list[dict] = []
    origins = next((file for file in files if file.name == "provenance.jsonl"), None)
    if origins:  # numbers alone in the tables; a line of its own for each row
        lines = [json.loads(line) for line in origins.read_text("utf-8").splitlines()]
        for table in [file for file in files if file.suffix == ".parquet"]:
            own = [line for line in lines if line["split"] == table.stem]
            for line, read in zip(own, pq.read_table(table).to_pylist(), strict=True):
                said = bytes(token for token in read["labels"] if 0 <= token < 256).decode()
                found.append({"sample_id": line["sample_id"], "answer": said})
        files = []
    for file in files:
        if file.suffix == ".jsonl":
            found += [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]
        elif file.suffix == ".parquet":
            found += pq.read_table(file).to_pylist()
        elif file.suffix == ".csv":
            with file.open(encoding="utf-8-sig", newline="") as lines:
                found += [{k: _plain(v) for k, v in row.items()} for row in csv.DictReader(lines)]
        elif file.suffix == ".xlsx":
            header, *rows = load_workbook(file).active.iter_rows(values_only=True)
            found += [dict(zip(header, (cell or "" for cell in row), strict=True)) for row in rows]
    return sorted((_field(r, "sample_id"), _answer(r)) for r in found)


def _plain(cell: str) -> str:
    return cell[1:] if cell.startswith("'") else cell


def _field(found: dict, name: str) -> str:
    return found.get(name) or found["metadata"][name]


def _answer(found: dict) -> str:
    for name in ("answer", "output", "chosen", "completion"):
        if name in found:
            return found[name] if isinstance(found[name], str) else found[name][-1]["content"]
    if "answers" in found:
        return found["answers"][0]
    return found["messages"][-1]["content"] if "messages" in found else found["conversations"][-1]["value"]


@pytest.mark.parametrize("name", list(EXPORTERS))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=5))
def test_no_row_and_no_letter_is_lost(tmp_path_factory, name, texts):
    folder = tmp_path_factory.mktemp(name)
    if name in ("csv", "xlsx"):  # a cell of a spreadsheet holds no other control signs, and no apostrophe first
        texts = [tuple("".join(c for c in t if c.isprintable()).lstrip("'") for t in pair) for pair in texts]
    rows = [row(n, "heldout" if n == 0 else "train", question, answer) for n, (question, answer) in enumerate(texts)]
    files = EXPORTERS[name].write(folder, VERSION, rows)
    assert files and all(file.is_relative_to(folder) and file.exists() for file in files)
    expected = [(r["sample_id"], r["completion"]) for r in rows]
    if name == "kto":
        expected += [(r["sample_id"], "worse") for r in rows]
    assert read_back(files) == sorted(expected)
    again = tmp_path_factory.mktemp(name)
    for one, other in zip(files, EXPORTERS[name].write(again, VERSION, rows), strict=True):
        assert one.read_bytes() == other.read_bytes()


def made(folder: Path, name: str) -> Path:
    """One format of a small version: five rows to train on, two held out, one rejected."""
    rows = [row(n, "heldout" if n > 4 else "train", f"Why {n}?", f"Because {n}.") for n in range(7)]
    chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "A?"}]
    chat += [{"role": "assistant", "content": "B."}, {"role": "user", "content": "Why 0?"}]
    rows[0]["messages"] = json.dumps(chat)
    EXPORTERS[name].write(folder, VERSION, rows)
    return folder


@pytest.mark.parametrize("name", [name for name in EXPORTERS if name not in ("csv", "xlsx")])
def test_the_datasets_library_keeps_the_splits_apart(tmp_path, name):
    from datasets import load_dataset

    loaded = load_dataset(str(made(tmp_path, name)), cache_dir=str(tmp_path / "cache"))
    held = "test" if name == "datasets_folder" else "heldout"
    assert set(loaded) == {"train", held}
    each = 2 if name == "kto" else 1
    assert (loaded["train"].num_rows, loaded[held].num_rows) == (5 * each, 2 * each)
    assert "Why 5?" not in str(loaded["train"][:]) and "Because 6." not in str(loaded["train"][:])


def test_a_cell_is_never_a_formula(tmp_path):
    evil = [row(0, "train", "=1+1", "@SUM(A1)"), row(1, "train", "+49 30", "-5 %")]
    for name in ("csv", "xlsx"):
        (folder := tmp_path / name).mkdir()
        EXPORTERS[name].write(folder, VERSION, evil)
    text = (tmp_path / "csv" / "dataset.csv").read_text("utf-8-sig")
    assert '"\'=1+1"' in text and '"\'@SUM(A1)"' in text and '"\'-5 %"' in text
    sheet = load_workbook(tmp_path / "xlsx" / "dataset.xlsx").active
    assert [(cell.value, cell.data_type) for cell in sheet[2][1:3]] == [("=1+1", "s"), ("@SUM(A1)", "s")]


def test_a_cell_that_excel_can_not_hold_says_that_it_was_cut(tmp_path):
    long = [row(0, "train", "Why?", "x" * 40_000), row(1, "train", "How?", "y" * MAX_CELL)]
    EXPORTERS["xlsx"].write(tmp_path, VERSION, long)
    sheet = load_workbook(tmp_path / "dataset.xlsx").active
    cut, whole = sheet[2][2].value, sheet[3][2].value
    assert len(cut) == MAX_CELL and cut.startswith("xxx") and cut.endswith(CUT)
    assert whole == "y" * MAX_CELL


def test_worked_examples_and_the_system_message_reach_every_form(tmp_path):
    first = {}
    for name in ("alpaca", "sharegpt", "prompt_completion"):
        (folder := tmp_path / name).mkdir()
        first[name] = json.loads((made(folder, name) / "train.jsonl").read_text().split("\n")[0])
    assert first["alpaca"]["system"] == "Be brief." and first["alpaca"]["history"] == [["A?", "B."]]
    assert (first["alpaca"]["instruction"], first["alpaca"]["output"]) == ("Why 0?", "Because 0.")
    assert [turn["from"] for turn in first["sharegpt"]["conversations"]] == ["human", "gpt", "human", "gpt"]
    assert first["sharegpt"]["system"] == "Be brief."
    assert [turn["role"] for turn in first["prompt_completion"]["prompt"]] == ["system", "user", "assistant", "user"]
    info = json.loads((tmp_path / "sharegpt" / "dataset_info.json").read_text())
    assert info["d_v1_train"]["file_name"] == "train.jsonl" and info["d_v1_train"]["formatting"] == "sharegpt"


def test_a_card_knows_large_versions_and_answers_that_were_brought_along():
    row = {"teacher": "", "topic": "", "edited": False, "split": "train", "terms": "own-answers@2026-11-24"}
    told = {"name": "D", "version": 1, "sha256": "x"}
    few, many = Tally(), Tally()
    assert len([*few.count([row] * 3)]) == 3
    own = card_text(told, few, {})
    assert "3 answers were brought along" in own and "synthetic" not in own
    assert len([*many.count([row | {"terms": "t@1"}] * 100_000)]) == 100_000
    assert "size_categories: [100K<n<1M]" in card_text(told, many, {})


def test_a_talk_that_llama_factory_would_pass_over_does_not_fit():
    talk = row(0, "train", "Why?", "Because.")
    for roles, fits in (
        (("user",), (True, True)),
        (("developer", "user", "assistant", "user"), (True, True)),
        (("user", "assistant", "tool"), (True, False)),
        (("user", "user"), (False, False)),
        (("user", "assistant"), (False, False)),
        (("system",), (False, False)),
    ):
        talk["messages"] = json.dumps([{"role": role, "content": "x"} for role in roles])
        assert (EXPORTERS["sharegpt"].fits(talk), EXPORTERS["alpaca"].fits(talk)) == fits, roles


@pytest.mark.filterwarnings("ignore")  # mlcroissant calls what pandas and rdflib are about to drop
def test_croissant_metadata_is_valid_and_leads_to_the_rows(tmp_path):
    import mlcroissant

    described = mlcroissant.Dataset(jsonld=str(made(tmp_path, "datasets_folder") / "croissant.json"))
    assert not described.metadata.ctx.issues.errors
    assert {records.name for records in described.metadata.record_sets} == {"train", "test"}
    rows = list(described.records("test"))
    assert [row["test/answer"].decode() for row in rows] == ["Because 5.", "Because 6."]
    assert not rows[0]["test/human_edited"]
