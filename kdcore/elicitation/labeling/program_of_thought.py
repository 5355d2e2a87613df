"""Solve by a short program; the answer is what it prints (program of thought)."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, lost, usable
from kdcore.elicitation.parse import code_of, final_of
from kdcore.types import MethodRow, Reply, Request


class ProgramOfThoughtConfig(Config):
    """How the program's word is turned into the answer."""

    sentence: str = Field(
        default="The answer is {output}.", description="What the student learns to say; {output} is what was printed"
    )


def _run(reply: Reply, request: Request, config: ProgramOfThoughtConfig, tools: Tools) -> MethodRow:
    code = code_of(reply.text)
    if not code:
        return MethodRow("unparsed", reason="the reply has no code block", reply=reply)
    result = tools.run_code(code)
    if result.error:
        return MethodRow("unparsed", rationale=code, reason=f"the program failed: {result.error}", reply=reply)
    if not result.output:
        return MethodRow("unparsed", rationale=code, reason="the program printed nothing", reply=reply)
    extra: dict[str, object] = {"output": result.output[:2000]}
    if gold := request.variables.get("gold"):
        extra["agrees_with_gold"] = final_of(result.output) == final_of(gold)
    return MethodRow("parsed", config.sentence.replace("{output}", result.output), rationale=code, extra=extra)


def _program(request: Request, config: ProgramOfThoughtConfig, tools: Tools) -> Steps:
    [replies] = yield [Ask(request.messages, n=None, form=forms.CODE)]
    return [_run(reply, request, config, tools) if usable(reply) else lost(reply) for reply in replies]


PROGRAM_OF_THOUGHT = Method(
    name="program_of_thought",
    family="labeling",
    source="Chen et al. 2022 (arXiv 2211.12588); MAmmoTH (arXiv 2309.05653); survey §3.1.1",
    summary="Write a short program; what it prints is the answer",
    warning="A program that runs can still compute the wrong thing. Programs run on Linux only, shut off.",
    config=ProgramOfThoughtConfig,
    template=PromptTemplate(
        method="program_of_thought",
        system="Solve the task with a short Python program that prints only the result. "
        "Reply with one ```python code block.",
        user="{{question}}",
        examples=(
            Example(
                user="A dose is 5 mg for each kg. How much for 12 kg?",
                assistant="```python\nprint(5 * 12, 'mg')\n```",
            ),
        ),
    ),
    program=_program,
    many=True,
    runs_code=True,
)
