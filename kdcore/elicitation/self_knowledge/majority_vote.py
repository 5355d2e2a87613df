"""All rationales that lead to the majority's answer become training rows (LMSI)."""

from __future__ import annotations

from kdcore.elicitation.base import Ask, Method, Steps, Tools, keep, lost, usable
from kdcore.elicitation.labeling.chain_of_thought import read
from kdcore.elicitation.labeling.self_consistency import TEMPLATE, VoteConfig, count, form
from kdcore.elicitation.parse import final_of
from kdcore.types import MethodRow, Request


def _program(request: Request, config: VoteConfig, tools: Tools) -> Steps:
    [replies] = yield [Ask(request.messages, n=config.votes, temperature=config.temperature, form=form(config))]
    rows = [keep(r, read(r.text, config)) if usable(r) else lost(r) for r in replies]
    voters = [row for row in rows if row.status == "parsed"]
    if not voters:
        return rows
    final, most = count(voters)
    share = most / config.votes
    result: list[MethodRow] = []
    for row in rows:
        extra = {"share": round(share, 3), "majority": final}
        if row.status != "parsed":
            result.append(row)
        elif share < config.min_share:
            reason = f"the vote is not clear: {most} of {config.votes} agree, {config.min_share:.0%} needed"
            result.append(MethodRow("unparsed", row.answer, row.rationale, reason, extra=extra, reply=row.reply))
        elif final_of(row.answer) != final:
            reason = f'its answer is not the majority\'s "{final[:60]}"'
            result.append(MethodRow("unparsed", row.answer, row.rationale, reason, extra=extra, reply=row.reply))
        else:
            result.append(MethodRow("parsed", row.answer, row.rationale, extra=extra, reply=row.reply))
    return result


MAJORITY_VOTE = Method(
    name="majority_vote",
    family="self_knowledge",
    usual_loss="sequence_level_kd",
    source="Huang et al. 2022, LMSI (arXiv 2210.11610); survey §3.1.6",
    summary="Vote over reasoned answers; every rationale that led to the winner is kept",
    warning="The model learns what it believes most often, also where that is wrong.",
    config=VoteConfig,
    template=TEMPLATE.model_copy(update={"method": "majority_vote"}),
    program=_program,
)
