"""The columns of a sample and of what hangs on it, named once: tables, selections and pages read them from here."""

from __future__ import annotations

SORTS = ("created", "entropy", "mean_rank", "completion_tokens", "topic", "status", "question")
FACETS = ("status", "topic", "difficulty", "reader", "prompt_version_id", "teacher", "run_id")
