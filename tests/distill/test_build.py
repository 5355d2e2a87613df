"""A student is built as its config says."""

import pytest

from kdcore.distill.student.build import kept_layers
from kdcore.errors import ConfigError


def test_layers_are_spread_with_both_ends():
    assert kept_layers(30, 10) == [0, 3, 6, 10, 13, 16, 19, 23, 26, 29]
    assert kept_layers(4, 4) == [0, 1, 2, 3]
    with pytest.raises(ConfigError, match="30 layers"):
        kept_layers(30, 31)
