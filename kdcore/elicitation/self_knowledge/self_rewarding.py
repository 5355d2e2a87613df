"""The model answers several times, scores its own answers, and learns the best against the worst."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.elicitation import PromptTemplate
from kdcore.elicitation.base import TUTOR, Ask, Method, Steps, Tools, lost, usable, user
from kdcore.elicitation.feedback.pairwise import preference
from kdcore.elicitation.parse import clean, number_of
from kdcore.types import MethodRow, Request


class SelfRewardingConfig(Config):
    """How many answers, and how far best and worst must lie apart."""

    answers: int = Field(default=4, ge=2, le=32, description="Answers asked for each question")
    temperature: float = Field(default=0.8, gt=0, le=2, description="Temperature of the answers")
    min_margin: float = Field(default=1.0, ge=0, le=5, description="Least difference of the scores, 0 to 5")


_SCORE = (
    "Give points: 1 if it is relevant, 1 more if it answers a good part, 1 more if it is useful, 1 more if it is "
    "clear, 1 more if it is expert work. Reply with the number of points only."
)


def _program(request: Request, config: SelfRewardingConfig, tools: Tools) -> Steps:
    [replies] = yield [Ask(request.messages, n=config.answers, temperature=config.temperature)]
    texts = list(dict.fromkeys(clean(r.text) for r in replies if usable(r)))
    question = request.variables.get("question") or request.messages[-1]["content"]
    if len(texts) < 2:
        first = next((r for r in replies if not usable(r)), None)
        return (
            [lost(first)] if first else [MethodRow("unparsed", reason="all answers are the same", reply=replies[0])]
        )
    chats = [user(f"Question: {question}\nAnswer: <<<{text}>>>\n{_SCORE}") for text in texts]
    said = yield [Ask(chat, temperature=0.0, max_tokens=8, form="[0-5]") for chat in chats]
    scored = [(number_of(r.text, 0, 5), text) for [r], text in zip(said, texts, strict=True) if not r.error]
    known = [(score, text) for score, text in scored if score is not None]
    if len(known) < 2:
        return [
            MethodRow("unparsed", question=question, reason="fewer than two answers got a score", reply=said[0][0])
        ]
    best, worst = max(known, key=lambda item: item[0]), min(known, key=lambda item: item[0])
    margin = best[0] - worst[0]
    extra = {"scores": [{"score": score, "answer": text[:200]} for score, text in known], "margin": margin}
    if margin < config.min_margin:
        reason = f"best and worst lie {margin:g} points apart, {config.min_margin:g} needed"
        return [MethodRow("unparsed", best[1], question=question, reason=reason, extra=extra)]
    return [preference(question, best[1], worst[1], **extra)]


SELF_REWARDING = Method(
    name="self_rewarding",
    family="self_knowledge",
    usual_loss="dpo",
    source="Yuan et al. 2024, Self-Rewarding Language Models (arXiv 2401.10020); survey §3.1.6",
    summary="Answer, score its own answers, keep the best against the worst",
    warning="A model praises its own style: without people's decisions the rounds drift away from them.",
    config=SelfRewardingConfig,
    template=PromptTemplate(
        method="self_rewarding",
        system=TUTOR + " Be brief.",
        user="{{question}}",
    ),
    program=_program,
)
