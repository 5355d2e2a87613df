"""Parsers on replies that the built-in teacher really gave (see tests/record_replies.py)."""

import json
from pathlib import Path

import pytest

from kdcore.elicitation import METHODS
from kdcore.elicitation.schedule import drive
from kdcore.types import Reply, Request

FOLDER = Path(__file__).parent / "recorded"


def test_every_method_was_recorded():
    assert {path.stem for path in FOLDER.glob("*.json")} == set(METHODS)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_real_replies_are_read_as_they_were(name):
    """The same rows again. A pool grows from request to request, so those methods are only checked for reasons."""
    recorded = json.loads((FOLDER / f"{name}.json").read_text())
    assert len(recorded["outcomes"]) >= 2
    for outcome in recorded["outcomes"]:
        left = list(outcome["calls"])

        def answer(call, left=left):
            said = left.pop(0) if left else {"replies": [""] * call.sampling.n, "finish": ["stop"] * call.sampling.n}
            return [
                Reply(call.call_id, n, text, finish)
                for n, (text, finish) in enumerate(zip(said["replies"], said["finish"], strict=True))
            ]

        [again] = drive(METHODS[name], [Request(**outcome["request"])], recorded["config"], answer)
        assert all(row.status == "parsed" or row.reason for row in again.rows)
        if not METHODS[name].pool:
            assert [(row.status, row.answer) for row in again.rows] == [
                (row["status"], row["answer"]) for row in outcome["rows"]
            ]
