"""Checks on samples: ``FILTERS`` is the whole list. Each gives one verdict for each sample, with a reason."""

from typing import Any

from kdcore.filters.agreement import CONSISTENCY, GOLD
from kdcore.filters.base import Filter
from kdcore.filters.citations import CITATIONS
from kdcore.filters.contamination import CONTAMINATION, CONTAMINATION_BY_MEANING
from kdcore.filters.instruction_difficulty import DIFFICULTY
from kdcore.filters.language import LANGUAGE, READABILITY
from kdcore.filters.near_duplicates import NEAR_DUPLICATES
from kdcore.filters.text_rules import EXACT_DUPLICATES, LENGTH, PLACEHOLDER, REFUSAL, REPETITION, TRUNCATION
from kdcore.filters.uncertainty import UNCERTAINTY
from kdcore.filters.vectors import OUTLIERS, SAME_MEANING

FILTERS: dict[str, Filter[Any]] = {
    "length": LENGTH,
    "refusal": REFUSAL,
    "repetition": REPETITION,
    "placeholder": PLACEHOLDER,
    "truncation": TRUNCATION,
    "language": LANGUAGE,
    "readability": READABILITY,
    "citations": CITATIONS,
    "exact_duplicates": EXACT_DUPLICATES,
    "near_duplicates": NEAR_DUPLICATES,
    "same_meaning": SAME_MEANING,
    "outliers": OUTLIERS,
    "uncertainty": UNCERTAINTY,
    "self_consistency": CONSISTENCY,
    "gold": GOLD,
    "contamination": CONTAMINATION,
    "contamination_by_meaning": CONTAMINATION_BY_MEANING,
    "instruction_difficulty": DIFFICULTY,
}
# what runs where nobody chose
USUAL = (
    "length",
    "refusal",
    "repetition",
    "placeholder",
    "truncation",
    "exact_duplicates",
    "near_duplicates",
)
# what looks at one row's text and nothing else
ONE_BY_ONE = [name for name, check in FILTERS.items() if check.by_row and not check.needs]
# what names an earlier sample that says the same
DUPLICATES = ("exact_duplicates", "near_duplicates", "same_meaning")
