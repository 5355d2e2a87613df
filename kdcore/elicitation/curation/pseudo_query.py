"""Queries that a passage answers (InPars, Promptagator): training data for retrieval."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, lost, system_of, usable, user
from kdcore.elicitation.parse import listed
from kdcore.types import MethodRow, Request


class PseudoQueryConfig(Config):
    """How many queries."""

    queries: int = Field(default=3, ge=1, le=20, description="Queries for each passage")
    max_words: int = Field(default=25, ge=3, le=100, description="A longer query is set aside")


def _program(request: Request, config: PseudoQueryConfig, tools: Tools) -> Steps:
    wanted = f"\n\nWrite {config.queries} search queries that this text answers, as a numbered list."
    system = system_of(request.messages)
    [[reply]] = yield [
        Ask(user(request.messages[-1]["content"] + wanted, system), form=forms.numbered(config.queries, 160))
    ]
    if not usable(reply):
        return [lost(reply)]
    passage = request.variables.get("source", "")
    rows: list[MethodRow] = []
    for query in listed(reply.text, config.queries):
        size = len(query.split())
        if size > config.max_words:
            reason = f"the query has {size} words, at most {config.max_words} expected"
            rows.append(MethodRow("unparsed", question=query, reason=reason))
        else:
            rows.append(MethodRow("parsed", passage, question=query, messages=user(query)))
    return rows or [MethodRow("unparsed", reason="the reply lists no query", reply=reply)]


PSEUDO_QUERY = Method(
    name="pseudo_query",
    family="curation",
    pool="question",
    source="InPars (arXiv 2202.05144); Promptagator (arXiv 2209.11755); survey §4.4.3",
    summary="Search queries that a passage answers",
    warning="Queries written from the text share its words; people who search do not know them yet.",
    config=PseudoQueryConfig,
    reply_tokens=256,
    template=PromptTemplate(method="pseudo_query", system="You write search queries.", user="Text: {{source}}"),
    program=_program,
    takes="document",
)
