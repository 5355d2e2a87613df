"""``MEASURES``: everything that is measured of a model, once: the worker computes by it, pages and cards read it.

Loads nothing heavy: a measure of probabilities is handed tensors and only calls their methods. To add one: its
function and its line here.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

Need = Literal["text", "probabilities", "teacher"]
Per = Literal["token", "answer", "pair", "text"]


@dataclass(frozen=True, slots=True, eq=False)
class Answered:
    """What one candidate said to one question, and how it saw the answer to learn.

    ``own`` (T, V) are its log-probs at the T tokens ``labels`` (T,) of the reference, ``teacher`` (T, V) those of the
    teacher; None where they can't be compared.
    """

    text: str
    reference: str
    own: Any = None
    teacher: Any = None
    labels: Any = None


@dataclass(frozen=True, slots=True)
class Measure:
    """One figure. ``compute`` makes it of one answer; without it the training itself reports it under its name.

    ``per`` says over what it is a mean; ``of`` names the measure that it is a function of (``then``).
    """

    name: str
    title: str
    unit: str
    more_is_better: bool
    per: Per = "token"
    needs: frozenset[Need] = frozenset()
    compute: Callable[[Answered], float] | None = None
    of: str = ""
    then: Callable[[float], float] | None = None
    form: str = "{:.3f}"

    @property
    def better(self) -> str:
        """Which way is better, in words."""
        return "more is better" if self.more_is_better else "less is better"


def rouge_l(candidate: str, reference: str) -> float:
    """ROUGE-L F1 of two texts, 0 to 1 (Lin 2004), by the rouge-score package without stemming."""
    from rouge_score.rouge_scorer import RougeScorer

    scorer = RougeScorer(["rougeL"], use_stemmer=False)
    return float(scorer.score(reference, candidate)["rougeL"].fmeasure)


def _nll(said: Answered) -> float:
    return float(-said.own.gather(1, said.labels[:, None]).mean())


def _forward_kl(said: Answered) -> float:
    return float((said.teacher.exp() * (said.teacher - said.own)).sum(-1).mean())


def _top1(said: Answered) -> float:
    return float((said.own.argmax(-1) == said.teacher.argmax(-1)).float().mean())


def _perplexity(nll: float) -> float:
    return math.exp(min(nll, 80.0))


TEXT: frozenset[Need] = frozenset({"text"})
PROBABILITIES: frozenset[Need] = frozenset({"probabilities"})
BESIDE_TEACHER: frozenset[Need] = frozenset({"probabilities", "teacher"})
PERCENT = "{:.0%}"
_ALL = (
    Measure(
        "forward_kl",
        "distance to the teacher (forward KL)",
        "nats a token",
        more_is_better=False,
        needs=BESIDE_TEACHER,
        compute=_forward_kl,
    ),
    Measure("reverse_kl", "distance from the teacher (reverse KL)", "nats a token", more_is_better=False),
    Measure("generalized_jsd", "Jensen-Shannon distance", "nats a token", more_is_better=False),
    Measure("sequence_level_kd", "loss on the teacher's text", "nats a token", more_is_better=False),
    Measure(
        "nll",
        "surprise at the teacher's text",
        "nats a token",
        more_is_better=False,
        needs=PROBABILITIES,
        compute=_nll,
    ),
    Measure("perplexity", "perplexity on the teacher's text", "", more_is_better=False, of="nll", then=_perplexity),
    Measure(
        "top1",
        "same next word",
        "share of words",
        more_is_better=True,
        needs=BESIDE_TEACHER,
        compute=_top1,
        form=PERCENT,
    ),
    Measure("top5", "the teacher's word among the first five", "share of words", more_is_better=True, form=PERCENT),
    Measure(
        "rouge_l",
        "likeness of the answers (ROUGE-L)",
        "F1",
        more_is_better=True,
        per="answer",
        needs=TEXT,
        compute=lambda said: rouge_l(said.text, said.reference),
    ),
    Measure("accuracy", "right labels", "share of texts", more_is_better=True, per="text", form=PERCENT),
    Measure("macro_f1", "right labels, each label alike (macro F1)", "F1", more_is_better=True, per="text"),
    Measure(
        "majority",
        "what the commonest label alone would get",
        "share of texts",
        more_is_better=True,
        per="text",
        form=PERCENT,
    ),
    Measure("label_loss", "distance to the teacher's votes", "nats a text", more_is_better=False, per="text"),
    Measure("reward_loss", "loss on the pairs", "nats a pair", more_is_better=False, per="pair"),
    Measure(
        "preferred", "the better answer is likelier", "share of pairs", more_is_better=True, per="pair", form=PERCENT
    ),
    Measure("margin", "margin gained for the better answer", "nats", more_is_better=True, per="pair", form="{:.2f}"),
    Measure(
        "reward", "reward of what it says to the shown held-out questions", "mean", more_is_better=True, per="answer"
    ),
)
MEASURES: dict[str, Measure] = {measure.name: measure for measure in _ALL}


def of_answer(said: Answered) -> dict[str, float]:
    """Every measure that this answer allows: those of the text always, the others where probabilities are there."""
    has = {"text"} | ({"probabilities"} if said.own is not None else set())
    has |= {"teacher"} if said.teacher is not None else set()
    return {m.name: m.compute(said) for m in MEASURES.values() if m.compute is not None and m.needs <= has}


def of_text(text: str, reference: str) -> dict[str, float]:
    """The measures that need the two texts alone."""
    return of_answer(Answered(text, reference))


def in_order(names: Iterable[str]) -> list[Measure]:
    """The measures of some names, in the order of the table; names that are none are left out."""
    there = set(names)
    return [measure for measure in MEASURES.values() if measure.name in there]
