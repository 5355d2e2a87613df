"""Several reasoned answers, one vote (self-consistency): the majority's answer with one of its rationales."""

from __future__ import annotations

from collections import Counter

from pydantic import Field

from kdcore.configs.elicitation import Example, PromptTemplate
from kdcore.elicitation import forms
from kdcore.elicitation.base import CAREFUL_TUTOR, Ask, Method, Steps, Tools, lost, usable
from kdcore.elicitation.labeling.chain_of_thought import ChainOfThoughtConfig, read
from kdcore.elicitation.parse import final_of
from kdcore.types import MethodRow, Request


class VoteConfig(ChainOfThoughtConfig):
    """How many vote and how clear the vote must be."""

    votes: int = Field(default=5, ge=2, le=64, description="Answers asked for each question")
    min_share: float = Field(default=0.5, ge=0, le=1, description="Smallest share of the votes that wins")
    temperature: float = Field(default=0.7, gt=0, le=2, description="Temperature of the votes")


def form(config: VoteConfig) -> str:
    """Reasoning first, then an answer of a few words."""
    return forms.voted(config.reasoning_word.capitalize(), config.answer_word.capitalize())


def count(rows: list[MethodRow]) -> tuple[str, int]:
    """The commonest comparable answer and its votes; the first of equals."""
    return Counter(final_of(row.answer) for row in rows).most_common(1)[0]


def _program(request: Request, config: VoteConfig, tools: Tools) -> Steps:
    [replies] = yield [Ask(request.messages, n=config.votes, temperature=config.temperature, form=form(config))]
    pairs = [(reply, read(reply.text, config)) for reply in replies if usable(reply)]
    voters = [(reply, row) for reply, row in pairs if row.status == "parsed"]
    if not voters:
        first = next((r for r in replies if not usable(r)), None)
        reason = "no vote could be read"
        return [lost(first)] if first else [MethodRow("unparsed", reason=reason, reply=replies[0])]
    final, most = count([row for _, row in voters])
    share = most / config.votes
    extra = {"share": round(share, 3), "votes": [row.answer[:200] for _, row in voters]}
    reply, row = next((r, p) for r, p in voters if final_of(p.answer) == final)
    if share < config.min_share:
        reason = f"the vote is not clear: {most} of {config.votes} agree, {config.min_share:.0%} needed"
        return [MethodRow("unparsed", row.answer, row.rationale, reason, extra=extra, reply=reply)]
    if gold := request.variables.get("gold"):
        extra["agrees_with_gold"] = final == final_of(gold)
    return [MethodRow("parsed", row.answer, row.rationale, extra=extra, reply=reply)]


# Long answers never agree word by word: a vote is over a few words.
TEMPLATE = PromptTemplate(
    method="self_consistency",
    system=CAREFUL_TUTOR + " First reason in a few short steps, then give the answer in one to five words.\n"
    "Use exactly this form:\nReasoning: <your steps>\nAnswer: <yes, no, a number, a letter or a few words>",
    user="{{question}}",
    examples=(
        Example(
            user="Does a wound need to be kept clean?",
            assistant="Reasoning: Dirt carries germs. Germs in a wound can cause an infection.\nAnswer: Yes",
        ),
        Example(
            user="A dose is 5 mg for each kg. How much for 12 kg?",
            assistant="Reasoning: Each kg needs 5 mg. 12 times 5 is 60.\nAnswer: 60 mg",
        ),
    ),
)

SELF_CONSISTENCY = Method(
    name="self_consistency",
    family="labeling",
    source="Wang et al. 2022 (arXiv 2203.11171); survey §3.1.1",
    summary="Ask several times, keep the answer that most agree on",
    warning="A majority can be wrong together. A low share of votes is where to look first.",
    config=VoteConfig,
    template=TEMPLATE,
    program=_program,
)
