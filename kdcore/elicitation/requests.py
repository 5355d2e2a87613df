"""Seeds and a template become requests: survey §3.1, ``I ⊕ c ⊕ x``."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from kdcore import ids
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.template import render_messages
from kdcore.types import Request

SEED_FIELDS = ("question", "source", "topic", "difficulty", "reader", "group")


def build_requests(
    template: PromptTemplate, prompt_version_id: str, seeds: Iterable[Mapping[str, Any]], index: int = 0
) -> list[Request]:
    """One request a seed. ``seeds`` have ``seed_id`` and text fields; ``index`` makes a repeat distinct.

    Raises ConfigError where a row lacks a variable that the template uses.
    """
    requests: list[Request] = []
    for seed in seeds:
        values = {key: str(value) for key, value in seed.items() if key != "seed_id" and value is not None}
        for name in SEED_FIELDS:
            values.setdefault(name, "")
        requests.append(
            Request(
                request_id=ids.request_id(prompt_version_id, seed["seed_id"], {}, index),
                seed_id=seed["seed_id"],
                prompt_version_id=prompt_version_id,
                messages=render_messages(template, values),
                variables=values,
                repeat=index,
            )
        )
    return requests
