"""Instruction-following difficulty with the built-in model: a question helps its own answer, not another's."""

from pathlib import Path

import pytest

from kdcore.errors import ConfigError
from kdcore.filters import FILTERS
from kdcore.models import DEFAULT_TEACHER

CHECK = FILTERS["instruction_difficulty"]
PAIRS = [
    ("What does the heart do?", "The heart pumps blood through the body."),
    ("What is a contract?", "A contract is an agreement that the law enforces."),
]


@pytest.mark.models
def test_a_question_helps_its_own_answer_more_than_anothers(models: Path):
    config = CHECK.config(student=str(models / DEFAULT_TEACHER), max_ratio=2)
    swapped = [(PAIRS[1][0], PAIRS[0][1]), (PAIRS[0][0], PAIRS[1][1])]
    rows = [{"sample_id": str(i), "question": q, "answer": a} for i, (q, a) in enumerate([*PAIRS, *swapped])]
    scores = [verdict.score for verdict in CHECK.verdicts(rows, config)]
    assert all(0 < own < other for own, other in zip(scores[:2], scores[2:], strict=True)), scores
    assert scores[0] < 1
    empty = CHECK.verdicts([{"sample_id": "x", "question": "q", "answer": ""}], config)
    assert [(v.passed, v.reason) for v in empty] == [(False, "there is no answer to read")]


def test_without_a_model_the_check_says_so():
    with pytest.raises(ConfigError, match="needs a model"):
        CHECK.verdicts([], CHECK.config())
