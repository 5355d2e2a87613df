"""Checks on samples: ``FILTERS`` is the whole list. Each gives one verdict for each sample, with a reason."""

from kdcore.filters.base import Filter
from kdcore.filters.near_duplicates import NEAR_DUPLICATES
from kdcore.filters.text_rules import EXACT_DUPLICATES, LENGTH, PLACEHOLDER, REFUSAL, REPETITION, TRUNCATION

FILTERS: dict[str, Filter] = {
    "length": LENGTH,
    "refusal": REFUSAL,
    "repetition": REPETITION,
    "placeholder": PLACEHOLDER,
    "truncation": TRUNCATION,
    "exact_duplicates": EXACT_DUPLICATES,
    "near_duplicates": NEAR_DUPLICATES,
}
