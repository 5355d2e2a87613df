"""JSON in every sane shape: the same rows come out, whatever stands in them."""

import json
import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from kdcore.reading.files import How, read

TEXT = st.text(max_size=30)
NAMES = st.text(min_size=1, max_size=12).filter(lambda name: name.strip() == name and name != "question")
VALUES = st.one_of(
    TEXT,
    st.integers(-(10**12), 10**12),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.none(),
    st.lists(TEXT, max_size=3),
    st.dictionaries(NAMES, TEXT, max_size=2),
)
ROWS = st.lists(
    st.tuples(st.text(min_size=1, max_size=40).filter(str.strip), st.dictionaries(NAMES, VALUES, max_size=4)).map(
        lambda pair: {"question": pair[0], **pair[1]}
    ),
    min_size=2,
    max_size=5,
)
SHAPES = {
    "array": json.dumps,
    "plain letters": lambda rows: json.dumps(rows, ensure_ascii=False),
    "pretty": lambda rows: json.dumps(rows, indent=3),
    "lines": lambda rows: "\n".join(map(json.dumps, rows)),
    "lines of Windows, with a mark": lambda rows: "\ufeff" + "\r\n".join(map(json.dumps, rows)) + "\r\n\r\n",
    "one after the other": lambda rows: "".join(map(json.dumps, rows)),
    "pretty, one after the other": lambda rows: "\n".join(json.dumps(row, indent=1) for row in rows),
    "with commas": lambda rows: ",\n".join(map(json.dumps, rows)) + ",",
    "a text sequence": lambda rows: "".join(f"\x1e{json.dumps(row)}\n" for row in rows),
    "under a key": lambda rows: json.dumps({"data": rows}),
    "under two keys, with others": lambda rows: json.dumps({"version": "1", "train": {"rows": rows, "n": len(rows)}}),
}


def read_back(text, name):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(text.encode("utf-8", "surrogatepass"))
        return read(path, name, How(), Path(folder))


@settings(max_examples=150, deadline=None)
@given(ROWS, st.sampled_from(sorted(SHAPES)), st.sampled_from([".json", ".jsonl", ".ndjson"]))
def test_the_same_rows_come_out_of_every_shape(rows, shape, suffix):
    found = read_back(SHAPES[shape](rows), f"a{suffix}")
    assert not found.rejected
    assert found.rows == rows


@settings(max_examples=50, deadline=None)
@given(ROWS)
def test_rows_keyed_by_an_id_keep_it(rows):
    plain = [{name: value for name, value in row.items() if name != "id"} for row in rows]
    found = read_back(json.dumps({f"r{place}": row for place, row in enumerate(plain)}), "a.json")
    assert found.rows == [{"id": f"r{place}", **row} for place, row in enumerate(plain)]


@settings(max_examples=30, deadline=None)
@given(ROWS, ROWS)
def test_splits_of_a_file_are_all_read_and_named(train, test):
    def split(name, rows):
        return [{"split": name, **row} for row in rows]

    found = read_back(json.dumps({"train": train, "test": test}), "a.json")
    assert found.rows == split("train", train) + split("test", test)
    assert not found.rejected
