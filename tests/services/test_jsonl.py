"""Lines as people bring them: each wrong one is named."""

import pytest

from kdcore.errors import DataError
from kdcore.services import jsonl


def test_empty_lines_are_passed_over():
    assert jsonl.parse(['{"a": 1}\n', "\n", ' {"a": 2}'], "f.jsonl") == [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (['{"a": 1}', "{"], "line 2 of f.jsonl is no JSON"),
        (["", "[1]"], "line 2 of f.jsonl is no JSON object"),
        (["", " "], "f.jsonl has no row"),
    ],
)
def test_a_wrong_line_is_named(lines, says):
    with pytest.raises(DataError, match=says):
        jsonl.parse(lines, "f.jsonl")
