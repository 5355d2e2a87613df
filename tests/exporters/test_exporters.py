"""Every format, by its table: each row is in it, with its text and where it came from, in its split."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdcore.exporters import EXPORTERS

VERSION = {"dataset_id": "ds_1", "name": "D", "version": 1, "sha256": "0" * 64, "row_count": 2, "created": 0.0}
TEXT = st.text(st.characters(codec="utf-8"), max_size=40)


def row(place: int, split: str, question: str, answer: str) -> dict:
    chat = [{"role": "user", "content": question}]
    return {
        **{"sample_id": f"s{place}", "prompt_version_id": "p", "run_id": "r", "teacher": "m", "topic": "t"},
        **{"source": "", "split": split, "question": question, "answer": answer, "completion": answer},
        **{"messages": json.dumps(chat), "edited": False, "rationale": "", "rivals": [], "extra": None},
    }


def read_back(files: list[Path], folder: Path) -> list[tuple[str, str]]:
    """(sample id, answer) of every row in what was written, whatever the format."""
    found: list[dict] = []
    for file in files:
        if file.suffix == ".jsonl":
            found += [json.loads(line) for line in file.read_text("utf-8").split("\n") if line]
        elif file.suffix == ".parquet":
            found += pq.read_table(file).to_pylist()
    return sorted((_field(r, "sample_id"), _answer(r)) for r in found)


def _field(found: dict, name: str) -> str:
    return found.get(name) or found["metadata"][name]


def _answer(found: dict) -> str:
    return found["answer"] if "answer" in found else found["messages"][-1]["content"]


@pytest.mark.parametrize("name", list(EXPORTERS))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.tuples(TEXT, TEXT), min_size=2, max_size=5))
def test_no_row_and_no_letter_is_lost(tmp_path_factory, name, texts):
    folder = tmp_path_factory.mktemp(name)
    rows = [row(n, "heldout" if n == 0 else "train", question, answer) for n, (question, answer) in enumerate(texts)]
    files = EXPORTERS[name].write(folder, VERSION, rows)
    assert files and all(file.is_relative_to(folder) and file.exists() for file in files)
    assert read_back(files, folder) == sorted((r["sample_id"], r["completion"]) for r in rows)
