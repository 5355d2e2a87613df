"""`kd embed --file` and `kd screen --file`: any JSONL file, no workspace, one sentence for what is wrong with it."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from kdcore.cli.program import main
from kdcore.errors import ConfigError
from kdcore.models import DEFAULT_EMBEDDER
from kdcore.services import file_jobs

TEXTS = ["a fever and a cough", "a high temperature", "a lease of a flat", "a tenant pays rent", "the flat is let"]


def write(path: Path, rows: list) -> Path:
    path.write_text("\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    return path


def run(capsys, *arguments: object) -> tuple[int, dict, str]:
    code: int | str | None = 0
    try:
        main([str(a) for a in arguments])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr()
    return code, json.loads(said.out) if said.out else {}, said.err


def test_checks_keep_every_row_and_name_the_files_own_ids(tmp_path: Path, capsys):
    long = "The lessor lets the flat to the lessee for a term of three years from the first of May. "
    rows = [
        {"id": "a", "text": long + "It is furnished.", "extra": [1, {"two": None}]},
        {"id": "b", "text": long + "It is furnished!"},
        {"id": "c", "text": "I'm sorry, I can't help with that \ud83d \x00"},
        {"id": "d", "text": ""},
    ]
    out = tmp_path / "o.jsonl"
    file = write(tmp_path / "f.jsonl", rows)
    code, said, _ = run(
        capsys, "screen", "--file", file, "--filters", "near_duplicates,refusal,length", "--out", out, "--json"
    )
    assert (code, said["rows"], said["passed"]) == (0, 4, 1)
    assert said["failed"] == {"near_duplicates": 1, "refusal": 1, "length": 1}
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [row["id"] for row in found] == ["a", "b", "c", "d"]
    assert found[2]["text"] == rows[2]["text"], "half a character comes back as it was"
    assert found[0]["extra"] == [1, {"two": None}]
    assert found[1]["verdicts"]["near_duplicates"]["reason"].endswith("the same as sample a")
    assert [row["passed"] for row in found] == [True, False, False, False]
    assert not list(tmp_path.glob("*.duckdb"))


def test_nothing_is_left_beside_the_file_that_was_asked_for(tmp_path: Path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("KD_WORKSPACE", raising=False)
    file = write(tmp_path / "f.jsonl", [{"text": text} for text in TEXTS])
    run(capsys, "screen", "--file", file, "--filters", "length", "--out", tmp_path / "o.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.jsonl", "o.jsonl"]


def test_an_id_that_stands_twice_is_told_apart_by_its_row(tmp_path: Path, capsys):
    text = "The lessor lets the flat to the lessee."
    file = write(tmp_path / "f.jsonl", [{"id": "a", "text": text}, {"id": "a", "text": text}])
    out = tmp_path / "o.jsonl"
    run(capsys, "screen", "--file", file, "--filters", "exact_duplicates", "--out", out)
    first, second = [json.loads(line) for line in out.read_text().splitlines()]
    assert first["passed"]
    assert second["verdicts"]["exact_duplicates"]["reason"] == "the same as sample a (row 1)"


def test_a_chat_is_read_by_its_last_turns(tmp_path: Path, capsys):
    chat = [{"role": "user", "content": "What is a lease?"}, {"role": "assistant", "content": "As an AI, I can't."}]
    file = write(tmp_path / "f.jsonl", [{"messages": chat}])
    _, said, _ = run(
        capsys, "screen", "--file", file, "--filters", "refusal", "--out", tmp_path / "o.jsonl", "--json"
    )
    assert said["failed"] == {"refusal": 1}


@pytest.mark.parametrize(
    ("text", "arguments", "sentence"),
    [
        ('{"text": "a"}\n{oops', [], "line 2 of f.jsonl is no JSON"),
        ("[1, 2]", [], "no JSON object"),
        ("", [], "has no row"),
        ('{"body": "a"}', [], "--text-field"),
        ('{"text": "a"}', ["--text-field", "body"], 'no field "body"'),
        ('{"text": "a"}', ["--filters", "magic"], 'unknown filter "magic"'),
    ],
)
def test_a_wrong_file_gets_one_sentence(tmp_path: Path, capsys, text, arguments, sentence):
    file = tmp_path / "f.jsonl"
    file.write_text(text)
    code, _, err = run(capsys, "screen", "--file", file, "--out", tmp_path / "o.jsonl", *arguments)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err
    assert not (tmp_path / "o.jsonl").exists()


def test_neither_text_nor_file_is_said(tmp_path: Path, capsys):
    latin = tmp_path / "l.jsonl"
    latin.write_bytes('{"text": "caf\u00e9"}'.encode("latin-1"))
    for file, sentence in ((latin, "not UTF-8"), (tmp_path / "none.jsonl", "no file")):
        code, _, err = run(capsys, "screen", "--file", file, "--out", tmp_path / "o.jsonl")
        assert (code, sentence in err) == (2, True)
    write(tmp_path / "f.jsonl", [{"text": "a"}])
    code, _, err = run(capsys, "screen", "--file", tmp_path / "f.jsonl")
    assert (code, "--out" in err) == (2, True)


@pytest.mark.models
def test_a_map_of_a_file(tmp_path: Path, models: Path, capsys):
    root = tmp_path / "ws"
    root.mkdir()
    (root / "models").symlink_to(models)
    assert (models / DEFAULT_EMBEDDER).exists()
    out = tmp_path / "o.parquet"
    file = write(tmp_path / "f.jsonl", [{"body": text} for text in TEXTS])
    code, said, _ = run(
        capsys, "embed", "--file", file, "--text-field", "body", "--out", out, "--workspace", root, "--json"
    )
    assert (code, said["rows"], said["dim"]) == (0, 5, 384)
    table = pq.read_table(out)
    assert table.column_names == ["id", "vector", "x", "y", "cluster", "title"]
    assert table["id"].to_pylist() == ["0", "1", "2", "3", "4"]
    assert len(table["vector"][0]) == 384
    assert not (root / "kd.duckdb").exists()


def test_a_file_brings_its_gold_and_its_siblings_and_the_rest_is_asked_for_elsewhere(tmp_path: Path):
    rows = [
        {"question": "Which organ?", "answer": "It is the liver.", "gold": "the liver"},
        {"question": "Which organ?", "answer": "Quite another story about ships.", "gold": "the liver"},
        {"question": "", "answer": "Alone.", "gold": ""},
        {"question": "", "answer": "Also by itself.", "gold": ""},
    ]
    source = tmp_path / "f.jsonl"
    source.write_text("\n".join(json.dumps(row) for row in rows))
    out = tmp_path / "o.jsonl"
    found = file_jobs.screen_file(source, ["gold", "self_consistency"], None, out, lambda status: None)
    assert found["failed"] == {"gold": 1, "self_consistency": 2}
    with pytest.raises(ConfigError, match="needs a map, which a file has not"):
        file_jobs.screen_file(source, ["outliers"], None, out, lambda status: None)
