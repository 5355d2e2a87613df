"""The log of decisions: nothing in it changes without a word, and one that can't be applied hurts no other."""

import hashlib
import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from kdcore.errors import DataError
from kdcore.records.decisions import LogAdopted, Reviewed, read_decision
from kdcore.store.engine.decisions import DecisionLog
from kdcore.store.engine.log_reading import Head, cut, read

EDIT = {"project_id": "p", "reviewer": "Dr A", "created": 1.5}


def edit(number: int, **more) -> Reviewed:
    text = {"question": f"q{number} é", "answer": f"take {number} mg", "note": "dose"}
    ids = {"event_id": f"ev{number}", "sample_id": f"s{number % 5}", "action": "edit"}
    return Reviewed(**(ids | EDIT | text | more))


def written(folder: Path, count: int = 12) -> Path:
    log = DecisionLog(folder / "decisions.jsonl")
    log.open()
    for number in range(count):
        log.append(edit(number))
    return log.path


def opened(path: Path):
    return DecisionLog(path).open()


def test_what_is_written_is_read_back_with_its_texts(tmp_path):
    path = written(tmp_path, 3)
    reading = opened(path)
    assert reading.findings == []
    assert [entry.decision for entry in reading.entries] == [edit(i) for i in range(3)]
    assert [entry.number for entry in reading.entries] == [1, 2, 3]


def test_the_chain_covers_a_text_by_its_digest_only(tmp_path):
    """A text can be erased later and every hash still holds; until then a missing text is said."""
    path = written(tmp_path, 3)
    lines = path.read_bytes().splitlines(keepends=True)
    line = json.loads(lines[1])
    assert "mg" not in json.dumps(line["body"]), "the text stands beside the chain, not in it"
    line["texts"]["answer"] = None
    lines[1] = json.dumps(line, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    reading = opened(path)
    assert len(reading.findings) == 1 and "its answer is missing" in reading.findings[0]
    assert [entry.number for entry in reading.entries] == [1, 3], "the hashes around it hold"


@pytest.mark.parametrize("seed", range(60))
def test_no_flipped_bit_is_silent(tmp_path, seed):
    path = written(tmp_path)
    data = bytearray(path.read_bytes())
    chance = random.Random(seed)
    data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(bytes(data))
    assert opened(path).findings


@pytest.mark.parametrize("seed", range(40))
def test_no_cut_is_silent(tmp_path, seed):
    """At the end, at the beginning, in the middle, of whole lines and of parts of lines."""
    path = written(tmp_path)
    data, chance = path.read_bytes(), random.Random(seed)
    lines = data.splitlines(keepends=True)
    if seed % 4 == 0:
        data = data[: chance.randrange(len(data))]
    elif seed % 4 == 1:
        del lines[chance.randrange(len(lines))]
        data = b"".join(lines)
    elif seed % 4 == 2:
        start = chance.randrange(len(data) - 1)
        data = data[:start] + data[start + chance.randrange(1, len(data) - start) :]
    else:
        data = b"".join(lines[: chance.randrange(len(lines))])
    path.write_bytes(data)
    assert opened(path).findings


def test_an_edit_that_mends_its_own_hash_is_seen_by_the_next_line(tmp_path):
    from kdcore.store.engine.chain import decode, encode, seal

    path = written(tmp_path, 4)
    lines = path.read_bytes().splitlines(keepends=True)
    for place in (1, 3):  # in the middle: the next line; at the end: the head file
        number, previous, _, body = decode(lines[place])
        forged = [*lines]
        forged[place] = encode(number, previous, *seal(read_decision(body | {"answer": "take 50 mg"})))[0]
        path.write_bytes(b"".join(forged))
        assert opened(path).findings, place


def test_two_lines_that_changed_places_are_seen(tmp_path):
    path = written(tmp_path, 4)
    a, b, c, d = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(a + c + b + d)
    assert opened(path).findings


def test_a_torn_last_line_that_nobody_was_told_of_is_no_damage(tmp_path):
    path = written(tmp_path, 3)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"n":4,"prev":"ab')
    log = DecisionLog(path)
    assert log.open().findings == []
    assert path.read_bytes() == whole
    assert [p.read_bytes() for p in tmp_path.glob("*.torn-*")] == [b'{"n":4,"prev":"ab'], "kept, never deleted"
    log.append(edit(3))
    assert [entry.number for entry in opened(path).entries] == [1, 2, 3, 4]


def test_a_torn_line_that_was_acknowledged_is_damage(tmp_path):
    path = written(tmp_path, 3)
    path.write_bytes(path.read_bytes()[:-4])
    findings = opened(path).findings
    assert any("line 3" in said and "damaged" in said for said in findings)
    log = DecisionLog(path)
    log.open()
    log.append(edit(9))  # begins a line of its own, after the number that was lost
    again = opened(path)
    assert [entry.number for entry in again.entries] == [1, 2, 4]
    assert len(again.findings) == 1


def test_a_line_ahead_of_its_head_is_taken(tmp_path):
    """Killed between the line and the head file: the line is whole, so it counts."""
    path = written(tmp_path, 2)
    head = path.with_suffix(".head.json").read_bytes()
    log = DecisionLog(path)
    log.open()
    log.append(edit(2))
    path.with_suffix(".head.json").write_bytes(head)
    reading = opened(path)
    assert (reading.findings, reading.head.number) == ([], 3)


@pytest.mark.parametrize(
    "change", [lambda d: d[:-3], lambda d: d.replace(b"12", b"11"), lambda d: b"", lambda d: b"[]"]
)
def test_a_damaged_head_is_said(tmp_path, change):
    path = written(tmp_path)
    head = path.with_suffix(".head.json")
    head.write_bytes(change(head.read_bytes()))
    assert any("head" in said for said in opened(path).findings)


def test_the_database_knows_of_a_cut_too():
    reading = read(Path("no such file"))
    assert "decisions 1 to 4 are missing" in cut(reading, Head(4))[0]


OLD = [
    {"kind": "project", "project_id": "p", "name": "P", "domain": "", "created": 1.0},
    {"kind": "review", "event_id": "e1", "sample_id": "s", "project_id": "p", "reviewer": "me"}
    | {"action": "accept", "question": None, "answer": None, "note": "", "created": 2.0},
]


def old_log(folder: Path, end: bytes = b"") -> Path:
    path = folder / "decisions.jsonl"
    path.write_bytes(b"".join(json.dumps(row).encode() + b"\n" for row in OLD) + end)
    return path


def test_a_log_of_0_1_0_is_read_taken_over_and_continued(tmp_path):
    path = old_log(tmp_path, b'{"kind": "proj')
    before = path.read_bytes() + b"\n"
    log = DecisionLog(path)
    reading = log.open()
    assert [type(e.decision).__name__ for e in reading.entries] == ["ProjectMade", "Reviewed", "LogAdopted"]
    assert len(reading.findings) == 1 and "line 3" in reading.findings[0]
    adopted = reading.entries[-1].decision
    assert isinstance(adopted, LogAdopted) and adopted.sha256 == hashlib.sha256(before).hexdigest()
    log.append(edit(1))
    again = opened(path)
    assert [entry.number for entry in again.entries] == [1, 2, 4, 5]
    flipped = bytearray(path.read_bytes())
    flipped[flipped.index(b"accept") + 1] ^= 1
    path.write_bytes(bytes(flipped))
    assert any("first 3 lines" in said for said in opened(path).findings), "the chain covers the old lines"


def test_half_a_character_is_refused_before_it_is_logged(tmp_path):
    with pytest.raises(DataError, match="bytes that are no text"):
        edit(1, answer="caf\udce9 5 mg")


@pytest.mark.parametrize("name", ["answer", "note", "question"])
def test_a_text_that_looks_like_a_digest_is_a_text(tmp_path, name):
    looks = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    log = DecisionLog(tmp_path / "decisions.jsonl")
    log.open()
    for number in range(3):
        log.append(edit(number, reviewer=looks, **{name: looks}))
    reading = opened(log.path)
    assert reading.findings == []
    assert [getattr(entry.decision, name) for entry in reading.entries] == [looks] * 3


@pytest.mark.parametrize("texts", [[], None, 5, {"answer": 5}, {"answer": ["a"]}, {"answer": ["a", "b", "c"]}, "x"])
def test_texts_that_were_edited_by_hand_are_said_and_hide_no_other_line(tmp_path, texts):
    path = written(tmp_path, 4)
    lines = path.read_bytes().splitlines(keepends=True)
    line = json.loads(lines[1])
    lines[1] = json.dumps(line | {"texts": texts}, separators=(",", ":")).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    reading = opened(path)
    assert len(reading.findings) == 1 and "line 2" in reading.findings[0]
    assert [entry.number for entry in reading.entries] == [1, 3, 4]


def test_brackets_without_end_are_a_damaged_line(tmp_path):
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(b"[" * 100_000 + b"\n")
    assert "line 1" in opened(path).findings[0]


def test_a_log_rewritten_in_the_form_of_0_1_0_is_seen_by_its_head(tmp_path):
    path = written(tmp_path, 5)
    plain = [edit(i, action="accept").model_dump(mode="json") for i in range(6)]
    path.write_bytes(b"".join(json.dumps(body).encode() + b"\n" for body in plain))
    assert any("another than the one that was written here" in said for said in opened(path).findings)


def test_a_head_file_that_is_gone_is_said(tmp_path):
    path = written(tmp_path, 5)
    path.with_suffix(".head.json").unlink()
    assert "is missing" in opened(path).findings[0]


def test_lines_taken_out_behind_a_damaged_one_are_named(tmp_path):
    path = written(tmp_path, 8)
    lines = path.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"dose", b"dosE")
    path.write_bytes(b"".join(lines[:3] + lines[5:]))
    damaged, gone = opened(path).findings
    assert damaged.startswith("line 3") and gone.endswith("decisions 4 to 5 are missing")
    path.write_bytes(b"".join([*lines[:2], b"junk\n", *lines[5:]]))
    assert opened(path).findings[1] == gone


def test_a_line_that_was_half_written_stands_before_no_other(tmp_path):
    """A real limit of the file's size, as a full disk gives it in the middle of a write."""
    code = f"""
import resource, signal
from pathlib import Path
from kdcore.records.decisions import ProjectMade
from kdcore.store.engine.decisions import DecisionLog
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = DecisionLog(Path({str(tmp_path / "decisions.jsonl")!r}))
log.open()
log.append(ProjectMade(project_id="p1", name="P", created=1.0))
size = log.path.stat().st_size
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 4500, hard))
try:
    log.append(ProjectMade(project_id="p2", name="y" * 6000, created=2.0))
except OSError:
    print("refused")
resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
log.append(ProjectMade(project_id="p3", name="Q", created=3.0))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "refused"
    reading = opened(tmp_path / "decisions.jsonl")
    assert reading.findings == []
    assert [entry.decision.project_id for entry in reading.entries] == ["p1", "p3"]


def test_a_log_rewritten_in_the_form_of_0_1_0_is_said_also_after_the_next_decision(tmp_path):
    path = written(tmp_path, 3)
    plain = [edit(i, action="accept").model_dump(mode="json") for i in range(3)]
    path.write_bytes(b"".join(json.dumps(body).encode() + b"\n" for body in plain))
    log = DecisionLog(path)
    assert log.open().findings
    log.append(edit(9))
    for _ in range(2):
        assert any("nothing says that this version took them over" in said for said in opened(path).findings)


def test_a_crash_while_a_log_of_0_1_0_is_taken_over_leaves_it_to_the_next_start(tmp_path):
    path = tmp_path / "decisions.jsonl"
    old = b"".join(json.dumps(edit(i).model_dump(mode="json")).encode() + b"\n" for i in range(3))
    path.write_bytes(old + b'{"n":4,"prev":"00')
    log = DecisionLog(path)
    log.open()
    log.append(edit(9))
    assert any(isinstance(entry.decision, LogAdopted) for entry in opened(path).entries)
    path.write_bytes(path.read_bytes().replace(b"take 1 mg", b"take 9 mg", 1))
    assert any("not as they were" in said for said in opened(path).findings)


@pytest.mark.parametrize("torn", [b"{", b'{"n', b'{"n":1,"pr'])
def test_a_first_line_that_a_crash_tore_is_no_log_of_0_1_0(tmp_path, torn):
    path = tmp_path / "decisions.jsonl"
    path.write_bytes(torn)
    reading = opened(path)
    assert reading.findings == [] and reading.old_lines == 0
    assert opened(path).findings == []
