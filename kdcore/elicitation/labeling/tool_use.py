"""Use a tool: a call that fits its schema, a simulated result, an answer; the whole trajectory is kept."""

from __future__ import annotations

import json
from typing import Any

from pydantic import Field, field_validator

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import Ask, Method, Steps, Tools, answered, lost, system_of, usable, user
from kdcore.elicitation.parse import clean, json_of
from kdcore.types import Message, MethodRow, Request

SEARCH = {
    "name": "search_reference",
    "description": "Look a term up in a reference work",
    "parameters": {
        "type": "object",
        "properties": {"term": {"type": "string"}, "field": {"type": "string", "enum": ["medicine", "law", "other"]}},
        "required": ["term", "field"],
        "additionalProperties": False,
    },
}


class ToolUseConfig(Config):
    """The tools, each ``{name, description, parameters}`` with a JSON schema."""

    tools: tuple[dict[str, Any], ...] = Field(default=(SEARCH,), min_length=1, description="Tools that may be called")
    max_calls: int = Field(default=2, ge=1, le=8, description="Calls in one trajectory, at most")

    @field_validator("tools")
    @classmethod
    def _are_tools(cls, tools: tuple[dict[str, Any], ...]) -> tuple[dict[str, Any], ...]:
        from jsonschema import Draft202012Validator, SchemaError

        for tool in tools:
            if not isinstance(tool.get("name"), str) or not isinstance(tool.get("parameters"), dict):
                raise ValueError("each tool needs a name and parameters (a JSON schema)")
            try:
                Draft202012Validator.check_schema(tool["parameters"])
            except SchemaError as exc:
                raise ValueError(f"the parameters of {tool['name']} are no JSON schema: {exc.message}") from exc
        return tools


def check_call(call: Any, config: ToolUseConfig) -> str:
    """Why a call does not fit, "" where it does."""
    from jsonschema import Draft202012Validator

    if not isinstance(call, dict) or "name" not in call:
        return "the call is no JSON object with a name"
    tool = next((t for t in config.tools if t["name"] == call["name"]), None)
    if tool is None:
        known = ", ".join(t["name"] for t in config.tools)
        return f'there is no tool "{str(call["name"])[:60]}"; known: {known}'
    error = next(Draft202012Validator(tool["parameters"]).iter_errors(call.get("arguments", {})), None)
    return f"the arguments do not fit: {error.message[:200]}" if error else ""


def schema_of(config: ToolUseConfig) -> dict[str, Any]:
    """A JSON schema that only well-formed calls of these tools follow."""
    options = [
        {
            "type": "object",
            "properties": {"name": {"type": "string", "enum": [tool["name"]]}, "arguments": tool["parameters"]},
            "required": ["name", "arguments"],
            "additionalProperties": False,
        }
        for tool in config.tools
    ]
    return options[0] if len(options) == 1 else {"anyOf": options}


def _program(request: Request, config: ToolUseConfig, tools: Tools) -> Steps:
    listing = json.dumps(list(config.tools), ensure_ascii=False)
    shared = system_of(request.messages)
    system = f'{shared}\nTools: {listing}\nTo call one, reply with {{"name": …, "arguments": {{…}}}} only.'.strip()
    chat: list[Message] = user(request.messages[-1]["content"], system)
    trajectory: list[dict[str, Any]] = []
    for _ in range(config.max_calls):
        [[said]] = yield [Ask(chat, schema=schema_of(config) if not trajectory else None)]
        if not usable(said):
            return [lost(said, extra={"trajectory": trajectory})]
        call = json_of(said.text)
        if trajectory and not isinstance(call, dict):
            break  # it answers in words now
        if reason := check_call(call, config):
            extra = {"trajectory": trajectory, "call": clean(said.text)[:500]}
            return [MethodRow("unparsed", reason=reason, extra=extra, reply=said)]
        described = (
            f"You are the tool {call['name']}. Reply with a short, plausible result of this call, in one sentence."
        )
        [[result]] = yield [Ask(user(json.dumps(call, ensure_ascii=False), described))]
        if not usable(result):
            return [lost(result, extra={"trajectory": trajectory})]
        observation = clean(result.text)
        trajectory.append({"call": call, "observation": observation})
        chat = answered(chat, json.dumps(call, ensure_ascii=False), f"Result: {observation}\nNow answer in words.")
    [[final]] = yield [Ask(chat)]
    if not usable(final):
        return [lost(final, extra={"trajectory": trajectory})]
    return [MethodRow("parsed", clean(final.text), messages=chat, extra={"trajectory": trajectory}, reply=final)]


TOOL_USE = Method(
    name="tool_use",
    family="labeling",
    source="ToolLLM (arXiv 2307.16789); Gorilla (arXiv 2305.15334); FireAct (arXiv 2310.05915); survey §4.3",
    summary="Call a tool by its schema, read a simulated result, answer",
    warning="Results are made up by the teacher: the student learns the form of a call, not facts.",
    config=ToolUseConfig,
    template=PromptTemplate(method="tool_use", system="You answer with the help of tools.", user="{{question}}"),
    program=_program,
    needs_schema=True,
)
