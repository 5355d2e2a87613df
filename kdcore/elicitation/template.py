"""Templates: ``{{name}}`` is replaced by the seed's field of that name, and by nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping

from kdcore.configs.elicitation import PromptTemplate
from kdcore.errors import ConfigError
from kdcore.types import Message

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z_][A-Za-z0-9_]*)\s*\}\}")


def variables(template: PromptTemplate) -> list[str]:
    """Names used in the system and user texts, in order of first use."""
    names = _VARIABLE.findall(template.system) + _VARIABLE.findall(template.user)
    return list(dict.fromkeys(names))


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each ``{{name}}``; values are put in as they are, so braces in a value stay braces."""

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in values:
            known = ", ".join(sorted(values)) or "none"
            raise ConfigError(f"the template uses {{{{{name}}}}}, but the row has only: {known}.")
        return values[name]

    return _VARIABLE.sub(replace, text)


def render_messages(template: PromptTemplate, values: Mapping[str, str]) -> list[Message]:
    """The chat exactly as the teacher gets it: system, worked examples, then the question."""
    messages: list[Message] = []
    if template.system.strip():
        messages.append({"role": "system", "content": fill(template.system, values)})
    for example in template.examples:
        messages.append({"role": "user", "content": example.user})
        messages.append({"role": "assistant", "content": example.assistant})
    messages.append({"role": "user", "content": fill(template.user, values)})
    return messages
