"""One of given labels, and why (AnnoLLM): a classifier's data that a person can check."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, keep, lost, usable, with_question
from kdcore.elicitation.parse import sections
from kdcore.types import MethodRow, Request


class LabelConfig(Config):
    """The labels."""

    labels: tuple[str, ...] = Field(default=("yes", "no"), min_length=2, description="Labels to choose from")


def read(text: str, config: LabelConfig) -> MethodRow:
    """``Label:`` must be one of the labels; ``Why:`` is the explanation."""
    found = sections(text, ("Label", "Why"))
    if "Label" not in found:
        return MethodRow("unparsed", reason='no line begins with "Label:"')
    said = found["Label"].splitlines()[0].strip(" .*\"'`") if found["Label"] else ""
    label = next((known for known in config.labels if known.lower() == said.lower()), None)
    if label is None:
        known = ", ".join(config.labels)
        return MethodRow(
            "unparsed", rationale=found.get("Why", ""), reason=f'the label "{said[:60]}" is none of: {known}'
        )
    if not found.get("Why"):
        return MethodRow("unparsed", label, reason="the label has no explanation")
    return MethodRow("parsed", label, found["Why"], extra={"label": label})


def _program(request: Request, config: LabelConfig, tools: Tools) -> Steps:
    known = "\nLabels: " + ", ".join(config.labels)
    messages = with_question(request.messages, request.messages[-1]["content"] + known)
    form = rf"Label: {forms.one_of(*config.labels)}\nWhy: {forms.LINE}"
    [replies] = yield [Ask(messages, n=None, form=form)]
    rows: list[MethodRow] = []
    for reply in replies:
        row = keep(reply, read(reply.text, config)) if usable(reply) else lost(reply)
        row = replace(row, messages=messages)
        if row.status == "parsed" and (gold := request.variables.get("gold")):
            row.extra["agrees_with_gold"] = row.answer.lower() == gold.strip().lower()
        rows.append(row)
    return rows


LABEL_AND_EXPLAIN = Method(
    name="label_and_explain",
    family="labeling",
    source="AnnoLLM (arXiv 2303.16854); survey §3.1.1 and §4.4.1",
    summary="Choose one of the given labels and say why",
    warning="Read the rows where the teacher and the given label differ before trusting either.",
    config=LabelConfig,
    reply_tokens=256,
    template=PromptTemplate(
        method="label_and_explain",
        system="Read the text and choose exactly one of the labels. Use this form:\nLabel: <one label>\n"
        "Why: <one sentence>",
        user="{{question}}",
        examples=(
            Example(
                user="Is the sky green?\nLabels: yes, no",
                assistant="Label: no\nWhy: On a clear day the sky looks blue.",
            ),
        ),
    ),
    program=_program,
    many=True,
)
