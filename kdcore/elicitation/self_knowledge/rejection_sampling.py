"""Many tries, the good ones stay (STaR, ReST): right by the given answer, or above a score of its own."""

from __future__ import annotations

from pydantic import Field

from kdcore.elicitation import forms
from kdcore.elicitation.base import Ask, Method, Steps, Tools, keep, lost, usable, user, with_question
from kdcore.elicitation.labeling.chain_of_thought import CHAIN_OF_THOUGHT, ChainOfThoughtConfig, form, read
from kdcore.elicitation.parse import final_of, number_of
from kdcore.types import MethodRow, Request


class RejectionSamplingConfig(ChainOfThoughtConfig):
    """How many tries, and when one is good enough."""

    tries: int = Field(default=4, ge=1, le=64, description="Answers asked for each question")
    temperature: float = Field(default=0.8, gt=0, le=2, description="Temperature of the tries")
    min_score: float = Field(default=7.0, ge=1, le=10, description="Least score, 1 to 10, where no answer is given")
    rationalise: bool = Field(default=True, description="Where every try is wrong, show the answer as a hint (STaR)")


_JUDGE = "Score the answer from 1 to 10 for being right and complete. Reply with the number only."


def _program(request: Request, config: RejectionSamplingConfig, tools: Tools) -> Steps:
    [replies] = yield [Ask(request.messages, n=config.tries, temperature=config.temperature, form=form(config))]
    rows = [keep(r, read(r.text, config)) if usable(r) else lost(r) for r in replies]
    tried = [row for row in rows if row.status == "parsed"]
    gold = request.variables.get("gold", "")
    question = request.variables.get("question", "")
    if not tried:
        return rows
    if gold:
        good = [final_of(row.answer) == final_of(gold) for row in tried]
        notes = [{"agrees_with_gold": ok} for ok in good]
        reasons = [f'its answer is not the given "{gold[:60]}"'] * len(tried)
    else:
        chats = [user(f"Question: {question}\nAnswer: <<<{row.answer}>>>\n{_JUDGE}") for row in tried]
        said = yield [Ask(chat, temperature=0.0, max_tokens=8, form=forms.one_to(10)) for chat in chats]
        scores = [None if r.error else number_of(r.text, 1, 10) for [r] in said]
        good = [score is not None and score >= config.min_score for score in scores]
        notes = [{"score": score} for score in scores]
        reasons = [
            "the judge gave no score" if score is None else f"scored {score:g}, {config.min_score:g} needed"
            for score in scores
        ]
    result = [row for row in rows if row.status != "parsed"]
    for row, ok, note, reason in zip(tried, good, notes, reasons, strict=True):
        if ok:
            result.append(MethodRow("parsed", row.answer, row.rationale, extra=note, reply=row.reply))
        else:
            result.append(MethodRow("unparsed", row.answer, row.rationale, reason, extra=note, reply=row.reply))
    if gold and config.rationalise and not any(good):
        hinted = with_question(request.messages, f"{request.messages[-1]['content']}\n(The answer is {gold}.)")
        [[reply]] = yield [Ask(hinted, form=form(config))]
        row = read(reply.text, config) if usable(reply) else None
        if row is not None and row.status == "parsed" and final_of(row.answer) == final_of(gold):
            extra = {"rationalised": True, "agrees_with_gold": True}
            result.append(
                keep(reply, MethodRow("parsed", row.answer, row.rationale, messages=request.messages, extra=extra))
            )
    return result


REJECTION_SAMPLING = Method(
    name="rejection_sampling",
    family="self_knowledge",
    usual_loss="sequence_level_kd",
    source="STaR (arXiv 2203.14465); ReST (arXiv 2308.08998); survey §3.1.6",
    summary="Try several times, keep what is right by the given answer or scores high",
    warning="A right answer can have a wrong rationale, and rounds narrow what the model says: watch the monitors.",
    config=RejectionSamplingConfig,
    template=CHAIN_OF_THOUGHT.template.model_copy(update={"method": "rejection_sampling"}),
    program=_program,
)
