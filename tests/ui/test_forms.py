"""Forms are drawn from configs."""

from kdcore.configs.teacher import SamplingConfig
from kdcore.ui.forms import bounds


def test_form_bounds_come_from_the_config():
    assert bounds(SamplingConfig.model_fields["max_tokens"]) == (1, 32768)
    low, high = bounds(SamplingConfig.model_fields["top_p"])
    assert low > 0
    assert high == 1
