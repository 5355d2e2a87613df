"""What a method is: a default template, a config, and a parser that never raises on a reply."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from kdcore.configs.base import Config, load_config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.parse import loss_reason
from kdcore.errors import ConfigError
from kdcore.types import Parsed, Reply

Family = Literal["labeling", "expansion", "curation", "feedback", "self_knowledge"]


@dataclass(frozen=True, slots=True)
class Method:
    """One way to elicit knowledge. ``read`` splits the text of a complete, willing reply."""

    name: str
    family: Family
    source: str
    summary: str
    warning: str
    config: type[Config]
    template: PromptTemplate
    read: Callable[[str, Any], Parsed]

    def parse(self, reply: Reply, method_config: dict[str, Any]) -> Parsed:
        """Turn a reply into a parsed sample or a loss with its reason; total on any text."""
        loss = loss_reason(reply)
        if loss is not None:
            return loss
        return self.read(reply.text, load_config(self.config, method_config))


def find_method(methods: dict[str, Method], name: str) -> Method:
    """Look a method up; raise ConfigError with the known names."""
    if name not in methods:
        raise ConfigError(f'unknown method "{name}"; known: {", ".join(sorted(methods))}.')
    return methods[name]
