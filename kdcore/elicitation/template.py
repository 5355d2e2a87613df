"""Templates: ``{{name}}`` is replaced by the seed's field of that name, and by nothing else.

Any column can be a variable, with spaces, brackets or umlauts in its name. A part like
``{{#reader}} for a {{reader}}{{/reader}}`` is there only where the row has a reader.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from kdcore.configs.elicitation import PromptTemplate
from kdcore.errors import ConfigError
from kdcore.types import Message

_NAME = r"[^{}#/\n][^{}\n]*?"
_VARIABLE = re.compile(rf"\{{\{{\s*({_NAME})\s*\}}\}}")
_PART = re.compile(rf"\{{\{{#\s*({_NAME})\s*\}}\}}(.*?)\{{\{{/\s*\1\s*\}}\}}", re.DOTALL)
_BRACES = re.compile(r"\{\{.{0,30}|.{0,30}\}\}", re.DOTALL)


def variables(template: PromptTemplate) -> list[str]:
    """Names used in the system and user texts, in order of first use."""
    names = _VARIABLE.findall(template.system) + _VARIABLE.findall(template.user)
    return list(dict.fromkeys(names))


def required(template: PromptTemplate) -> list[str]:
    """Variables that stand outside every part that may be left out."""
    names = _VARIABLE.findall(_PART.sub("", template.system)) + _VARIABLE.findall(_PART.sub("", template.user))
    return list(dict.fromkeys(names))


def refuse_braces(template: PromptTemplate) -> None:
    """Raise ConfigError for braces that are no variable: they would be sent to the teacher as they are."""
    for text in (template.system, template.user):
        left = _VARIABLE.sub("", _PART.sub(lambda match: match.group(2), text))
        if found := _BRACES.search(left):
            raise ConfigError(
                f'the template has braces that are no variable: "{found[0].strip()}"; write {{{{name}}}}, or '
                "{{#name}} … {{/name}} for what is left out where a row has no such field."
            )


def fill(text: str, values: Mapping[str, str]) -> str:
    """Replace each ``{{name}}``; values are put in as they are, so braces in a value stay braces."""
    known = {name.strip(): value for name, value in values.items()}
    text = _PART.sub(lambda match: match.group(2) if known.get(match.group(1), "").strip() else "", text)

    def replace(match: re.Match[str]) -> str:
        name = match.group(1)
        if name not in known:
            there = ", ".join(sorted(known)) or "none"
            raise ConfigError(f"the template uses {{{{{name}}}}}, but the row has only: {there}.")
        return known[name]

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
