"""Checks on samples: ``FILTERS`` is the whole list. Each gives one verdict for each sample, with a reason."""

from kdcore.filters.base import Filter
from kdcore.filters.near_duplicates import NEAR_DUPLICATES
from kdcore.filters.text_rules import LENGTH, PLACEHOLDER, REFUSAL, REPETITION

FILTERS: dict[str, Filter] = {
    "length": LENGTH,
    "refusal": REFUSAL,
    "repetition": REPETITION,
    "placeholder": PLACEHOLDER,
    "near_duplicates": NEAR_DUPLICATES,
}
