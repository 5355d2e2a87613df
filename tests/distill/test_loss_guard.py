"""A training whose loss makes no sense is ended."""

import pytest

from kdcore.distill.training.loss_guard import LossGuard
from kdcore.errors import JobError


@pytest.mark.parametrize(
    ("loss", "norm", "word"), [(float("nan"), 1.0, "lower"), (1.0, float("inf"), "lower"), (0.0, 0.0, "nothing")]
)
def test_a_loss_that_makes_no_sense_stops_the_run(loss, norm, word):
    with pytest.raises(JobError, match=word):
        LossGuard().check(loss, norm, 7)
    LossGuard().check(0.5, 1.0, 7)
