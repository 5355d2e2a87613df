"""Samples written to a file: as a whole, in the order asked for, nothing but what was there."""

import json

import pyarrow.parquet as pq
import pytest

from kdcore.errors import ConfigError
from kdcore.services.explore import taken_out

ROWS = [
    {
        "sample_id": "a",
        "question": "Ä\ud83d",
        "messages": [{"role": "user", "content": "q"}],
        "extra": {},
        "score": 1.5,
    },
    {"sample_id": "b", "question": "line\nbreak", "messages": [], "extra": {"x": [1]}, "score": None},
]


def test_json_lines_keep_half_a_character_and_line_breaks(tmp_path):
    path = tmp_path / "rows.jsonl"
    taken_out.write(path, ROWS)
    lines = path.read_bytes().decode("utf-8", "surrogatepass").splitlines()
    assert [json.loads(line) for line in lines] == ROWS
    assert [file.name for file in tmp_path.iterdir()] == ["rows.jsonl"]


def test_parquet_has_chats_as_text(tmp_path):
    path = tmp_path / "rows.parquet"
    taken_out.write(path, ROWS[1:])
    [row] = pq.read_table(path).to_pylist()
    assert (row["sample_id"], json.loads(row["extra"]), json.loads(row["messages"])) == ("b", {"x": [1]}, [])


@pytest.mark.parametrize(("name", "said"), [("rows.csv", "ends in"), ("nowhere/rows.jsonl", "no folder")])
def test_a_file_that_cant_be_written_is_refused_before_anything_is_read(tmp_path, name, said):
    with pytest.raises(ConfigError, match=said):
        taken_out.refuse(tmp_path / name)
