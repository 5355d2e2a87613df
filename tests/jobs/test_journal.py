"""The journal: whole lines, checked, resumable from any offset."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdcore.jobs import lease, topk_files
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.jobs.tail import decode_record, encode_record, read_journal, read_metrics
from kdcore.types import TopK

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=3),
    max_leaves=5,
)


@given(body=st.dictionaries(st.text(), JSON, max_size=4), seq=st.integers(0, 10**9), epoch=st.integers(1, 99))
def test_records_round_trip(body, seq, epoch):
    record = decode_record(encode_record(seq, epoch, body))
    assert (record.seq, record.epoch, record.body) == (seq, epoch, body)


def test_torn_line_waits_and_bad_line_is_set_aside(tmp_path):
    path = tmp_path / "journal-00001.jsonl"
    good = [encode_record(i, 1, {"i": i}) for i in range(3)]
    flipped = good[1].replace(b'"i":1', b'"i":7')
    path.write_bytes(good[0] + flipped + good[2][:-5])
    chunk = read_journal(path)
    assert [r.body["i"] for r in chunk.records] == [0]
    assert [(b.offset, b.reason) for b in chunk.bad] == [(len(good[0]), "checksum does not match")]
    path.write_bytes(good[0] + flipped + good[2])
    rest = read_journal(path, chunk.offset)
    assert [r.body["i"] for r in rest.records] == [2]
    assert read_journal(path, rest.offset).records == []


def test_nothing_counts_past_the_seal(tmp_path):
    run = RunDir.create(tmp_path, "generate-x", {})
    journal = run.path / "journal-00001.jsonl"
    journal.write_bytes(encode_record(1, 1, {"a": 1}))
    run.seal_journals()
    with journal.open("ab") as zombie:
        zombie.write(encode_record(2, 1, {"a": 2}))
    run.seal_journals()  # a later take-over must not move the first seal
    chunk = read_journal(journal, 0, run.seals()[journal.name])
    assert [r.body["a"] for r in chunk.records] == [1]


def test_metrics_pass_over_a_torn_line(tmp_path):
    path = tmp_path / "metrics.jsonl"
    points = [{"attempt": 1, "step": n, "split": "train", "name": "loss", "value": 1.0, "time": 0.0} for n in (1, 2)]
    first, second = (json.dumps(point).encode() + b"\n" for point in points)
    whole = first + b'{"st\n[1]\n{"step": 3}\n' + second
    path.write_bytes(whole + b'{"step":')
    assert read_metrics(path) == (points, len(whole))


def test_signals_pack_what_was_spilled(tmp_path):
    run = RunDir.create(tmp_path, "generate-y", {})
    writer = topk_files.SignalWriter(run, 1)
    topk = TopK(ids=[[5, 3, 9], [1, 2]], logprobs=[[-0.1, -3.0, -4.0], [-0.2, -2.0]])
    writer.add("sm_1", [5, 1], topk)
    writer.close()
    assert topk_files.pack(run) == 1
    [part] = topk_files.parts(run.path)
    import pyarrow.parquet as pq

    row = pq.read_table(part).to_pylist()[0]
    assert (row["k"], row["topk_ids"], row["token_ids"]) == (2, [5, 3, 1, 2], [5, 1])
    assert all(0 <= mass <= 1 for mass in row["tail_mass"])
    assert topk_files.pack(run) == 0
    assert topk_files.summary(TopK([[1]], [[0.0]]), [1]) == {"entropy": 0.0, "captured_mass": 1.0, "mean_rank": 1.0}
    assert topk_files.summary(TopK([[1, 2], [3, 4]], [[-0.1, -3.0]] * 2), [2, 9])["mean_rank"] == 2.5


def test_lease_has_one_holder_and_frees_itself(tmp_path):
    assert lease.holder(tmp_path) is None
    with lease.hold(tmp_path, "run-1", lambda _: None):
        assert lease.holder(tmp_path)["run_id"] == "run-1"
        seen = []

        def give_up(holder):
            seen.append(holder["run_id"])
            raise KeyboardInterrupt

        try:
            with lease.hold(tmp_path, "run-2", give_up):
                raise AssertionError("two holders")
        except KeyboardInterrupt:
            pass
        assert seen == ["run-1"]
        assert lease.waiting(tmp_path)
    assert lease.holder(tmp_path) is None


def test_every_phase_has_a_rate_of_its_own(tmp_path, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("kdcore.jobs.reporter.time.monotonic", lambda: clock[0])
    run = RunDir.create(tmp_path, "screen-1", {})
    with Reporter(run, 1) as reporter:
        reporter.phase("checking")
        reporter.progress(40, 100, "checks")  # of an earlier attempt
        assert "rate" not in reporter._status.progress
        clock[0] += 2
        reporter.progress(60, 100, "checks")
        assert reporter._status.progress["rate"] == pytest.approx(10)
        reporter.phase("writing")
        reporter.progress(60, 100, "checks")
        assert "rate" not in reporter._status.progress
        clock[0] += 1
        reporter.progress(60, 100, "checks", rate=3.0)
        assert reporter._status.progress["rate"] == 3.0
