"""Files that people really bring: good ones, broken ones, hostile ones. Each ends in rows or a sentence."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl import Workbook

from kdcore.elicitation.seed_files import read_file
from kdcore.errors import DataError


def write(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def test_csv_with_semicolons_and_bom(tmp_path):
    path = write(tmp_path, "a.csv", b'\xef\xbb\xbfquestion;topic\r\n"What; why?";Heart\r\nHow?;Brain\r\n')
    found = read_file(path)
    assert found.rows == [{"question": "What; why?", "topic": "Heart"}, {"question": "How?", "topic": "Brain"}]


def test_ragged_and_empty_rows_are_rejected_with_their_place(tmp_path):
    found = read_file(write(tmp_path, "a.csv", "question,topic\na,b\nc,d,e\n,\nf,g\n"))
    assert [r["question"] for r in found.rows] == ["a", "f"]
    assert found.rejected == [
        {"row": 2, "reason": "more cells than columns"},
        {"row": 3, "reason": "the row is empty"},
    ]


def test_jsonl_keeps_good_lines(tmp_path):
    lines = ['{"q": "a", "n": 1}', "not json", "[1]", "[" * 100_000, json.dumps({"q": "b\u0000"})]
    found = read_file(write(tmp_path, "a.jsonl", "\n".join(lines)))
    assert [r["q"] for r in found.rows] == ["a", "b\u2400"]
    assert [r["row"] for r in found.rejected] == [2, 3, 4]


def test_parquet_and_xlsx_and_text(tmp_path):
    pq.write_table(pa.table({"q": ["a", None], "n": [1, 2]}), tmp_path / "a.parquet")
    assert read_file(tmp_path / "a.parquet").rows == [{"q": "a", "n": "1"}, {"q": "", "n": "2"}]
    book = Workbook()
    book.active.append(["question", "topic"])
    book.active.append(["What?", "Heart"])
    book.save(tmp_path / "a.xlsx")
    assert read_file(tmp_path / "a.xlsx").rows == [{"question": "What?", "topic": "Heart"}]
    text = read_file(write(tmp_path, "leaflet.md", "One.\n\nTwo.\n\n" + "x" * 1300 + "\n\nLast."))
    assert [len(r["text"]) > 1000 for r in text.rows] == [False, True, False]
    assert {r["group"] for r in text.rows} == {"leaflet"}


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("a.pdf", b"%PDF", "unknown kind"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"question\n\xff\xfe\x00bad", "not UTF-8"),
        ("a.jsonl", b"nothing\nhere", "no usable row"),
        ("a.json", b'{"a": 1}', "expected a list"),
        ("a.parquet", b"PAR1 not really", "not a readable Parquet"),
        ("a.xlsx", b"PK\x03\x04 not really", "not a readable Excel"),
    ],
)
def test_unreadable_files_are_one_sentence(tmp_path, name, data, word):
    with pytest.raises(DataError, match=word) as caught:
        read_file(write(tmp_path, name, data))
    assert name in str(caught.value)
