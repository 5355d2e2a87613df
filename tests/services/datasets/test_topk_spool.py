"""A walk over many batches finds the same stored words as a look at a few, and reads each file once."""

import pytest

from kdcore.jobs import parquet, topk_files
from kdcore.jobs.run_dir import RunDir
from kdcore.services.datasets.topk import read_run
from kdcore.services.datasets.topk_spool import TopKSpool
from kdcore.types import TopK


def said(number: int) -> TopK:
    return TopK([[number, number + 1], [7, 8]], [[-0.25, -2.0], [-0.5, -1.5]])


@pytest.fixture
def run(tmp_path) -> RunDir:
    """Two attempts; the second repeats a row of the first, and drew words of the tail."""
    made = RunDir.create(tmp_path, "generate-x", {"teacher": {"model": "wise"}})
    for epoch, rows in ((1, range(0, 5)), (2, range(4, 9))):
        writer = topk_files.SignalWriter(made, epoch)
        for row in rows:
            writer.add(f"s{row}", [row, 7], said(row + 100 * epoch), said(40) if epoch == 2 else None)
        writer.close()
    topk_files.pack(made)
    return made


def test_the_same_rows_as_by_reading_all(run, tmp_path):
    (scratch := tmp_path / "scratch").mkdir()
    spool = TopKSpool(scratch)
    wanted = [f"s{row}" for row in (8, 3, 4, 0)] + ["unknown"]
    assert spool(run.path, wanted) == read_run(run.path, wanted)
    assert list(spool(run.path, ["s4"])["s4"]["topk_ids"]) == [104, 105, 7, 8]  # the first belongs to the text
    assert spool(run.path, ["unknown"]) == {}


def test_each_file_is_read_once(run, tmp_path, monkeypatch):
    (scratch := tmp_path / "scratch").mkdir()
    opened = []
    batches = parquet.batches
    monkeypatch.setattr(parquet, "batches", lambda path, columns: opened.append(path) or batches(path, columns))
    spool = TopKSpool(scratch)
    for row in range(9):
        assert spool(run.path, [f"s{row}"]).keys() == {f"s{row}"}
    assert opened == topk_files.parts(run.path)


def test_a_run_without_stored_words_has_none(tmp_path):
    run = RunDir.create(tmp_path, "generate-y", {"teacher": {"model": "wise"}})
    assert TopKSpool(tmp_path)(run.path, ["s1"]) == {}
