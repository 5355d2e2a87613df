"""A function and the tests that it must pass, run before the row is kept (code with executed unit tests)."""

from __future__ import annotations

import re

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, answered, keep, lost, usable
from kdcore.elicitation.parse import code_of
from kdcore.types import MethodRow, Request


class CodeWithTestsConfig(Config):
    """How often a failing answer may be mended."""

    repairs: int = Field(default=1, ge=0, le=5, description="Times that a failing answer is shown its error (PERsD)")
    tests: str = Field(default="", description="Tests to run; empty: the seed's column tests, else the teacher's own")


_WRITE_TESTS = "Write two assert statements that test this function, in one ```python code block, and nothing else."


_THROUGH = "kd: every test was run"


def with_tests(code: str, tests: str) -> str:
    """The program, its tests, calls of the test functions, and a word that only a run to the end prints."""
    calls = "".join(f"\n{name}()" for name in re.findall(r"(?m)^def (test\w*)\(\s*\)", tests))
    return f'__name__ = "answer"\n{code}\n\n{tests}\n{calls}\nprint({_THROUGH!r})'


def _program(request: Request, config: CodeWithTestsConfig, tools: Tools) -> Steps:
    [[reply]] = yield [Ask(request.messages, form=forms.CODE)]
    if not usable(reply):
        return [lost(reply)]
    tests = config.tests or request.variables.get("tests", "")
    if not tests:
        [[written]] = yield [Ask(answered(request.messages, reply.text, _WRITE_TESTS), form=forms.CODE)]
        tests = code_of(written.text) if usable(written) else ""
        if "assert" not in tests:
            return [MethodRow("unparsed", reason="there is no test to run", reply=reply)]
    problem = ""
    for attempt in range(config.repairs + 1):
        code = code_of(reply.text)
        result = tools.run_code(with_tests(code, tests)) if code else None
        problem = "the reply has no code block" if result is None else result.error
        if result is not None and not result.error and not result.output.endswith(_THROUGH):
            problem = "the program ended before its tests"
        elif result is not None and not result.error:
            extra = {"tests": tests, "repairs": attempt}
            return [keep(reply, MethodRow("parsed", reply.text.strip(), extra=extra))]
        if attempt < config.repairs:
            wanted = f"It fails: {problem}\nReply with the corrected function in one ```python code block."
            [[reply]] = yield [Ask(answered(request.messages, reply.text, wanted), form=forms.CODE)]
            if not usable(reply):
                return [lost(reply)]
    return [MethodRow("unparsed", reason=f"the tests fail: {problem}", extra={"tests": tests}, reply=reply)]


CODE_WITH_TESTS = Method(
    name="code_with_tests",
    family="labeling",
    source="Code Llama (arXiv 2308.12950); PERsD (arXiv 2310.03992); survey §4.5",
    summary="Write a function; it is kept when it passes its tests",
    warning="Tests written by the same model share its mistakes: give your own in a column named tests.",
    config=CodeWithTestsConfig,
    template=PromptTemplate(
        method="code_with_tests",
        system="Write a Python function for the task. Reply with one ```python code block.",
        user="{{question}}",
    ),
    program=_program,
    runs_code=True,
    code_column="tests",
)
