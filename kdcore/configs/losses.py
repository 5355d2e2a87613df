"""``LOSSES``: what a slice of data can teach, each with the settings of its own. Loads nothing heavy.

The functions are in ``kdcore.distill.losses``, pure, in nats per supervised token, found there by the loss's name. To
add one: its function in a file there, its settings and its entry here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.errors import ConfigError

LossKind = Literal["text", "divergence", "ranking", "reward", "policy", "label"]


class NoSettings(Config):
    """A loss without settings of its own."""


class JsdConfig(Config):
    """``generalized_jsd``."""

    beta: float = Field(default=0.5, ge=0, le=1, description="0 is the forward divergence, 1 the reverse one")


class SkewConfig(Config):
    """``skew_kl`` and ``skew_reverse_kl``."""

    alpha: float = Field(default=0.1, ge=0, lt=1, description="Share of the other side that is mixed in")


class PreferenceConfig(Config):
    """``dpo`` and ``kto``."""

    beta: float = Field(default=0.1, gt=0, le=10, description="How strictly the student stays near where it began")


@dataclass(frozen=True, slots=True)
class Loss:
    """A loss as the recipe names it.

    It learns a ``text``, compares next-token distributions (``divergence``), or puts the answers to one question
    in order (``ranking``). Three kinds train something of their own, beside no other slice (``standalone``): a model
    that scores answers (``reward``), a student by what its own answers earn (``policy``), an encoder that names
    labels (``label``).
    """

    name: str
    summary: str
    source: str
    kind: LossKind = "divergence"
    config: type[Config] = NoSettings
    by_rank: bool = False  # compares the likeliest words with the likeliest, whatever they are
    unary: bool = False  # learns from single answers, called good or bad, where a version brings them
    from_reference: bool = False  # measured from where the student began
    sampled_tail: bool = False  # words drawn from the tail are fair to it

    @property
    def ranks(self) -> bool:
        """Whether it puts several answers to one question in order."""
        return self.kind == "ranking"

    @property
    def standalone(self) -> bool:
        """Whether it trains beside no other slice."""
        return self.kind in ("reward", "policy", "label")

    @property
    def compares(self) -> bool:
        """Whether it compares with the teacher's next words, stored or live."""
        return self.kind == "divergence"


_ALL = (
    Loss(
        "sequence_level_kd",
        "Learn the teacher's text word for word",
        "Kim & Rush 2016 (arXiv 1606.07947); survey Eq. 9",
        kind="text",
    ),
    Loss(
        "forward_kl",
        "Match all of the teacher's next words: covers what it may say",
        "Hinton et al. 2015 (arXiv 1503.02531); survey Eq. 10",
        sampled_tail=True,
    ),
    Loss(
        "reverse_kl",
        "Say only what the teacher finds likely: keeps to its main answers",
        "Gu et al. 2024, MiniLLM (arXiv 2306.08543); survey table 2",
    ),
    Loss(
        "generalized_jsd",
        "Between the two, by beta: 0 is the forward and 1 the reverse divergence",
        "Agarwal et al. 2024, GKD (arXiv 2306.13649), Eq. 1; survey table 2",
        config=JsdConfig,
    ),
    Loss(
        "skew_kl",
        "Forward divergence to a mixture of teacher and student: steadier at the start",
        "Ko et al. 2024, DistiLLM (arXiv 2402.03898)",
        config=SkewConfig,
    ),
    Loss(
        "skew_reverse_kl",
        "Reverse divergence to a mixture of student and teacher: steadier at the start",
        "Ko et al. 2024, DistiLLM (arXiv 2402.03898)",
        config=SkewConfig,
    ),
    Loss(
        "adaptive_kl",
        "Forward and reverse, weighed by where the student is further off",
        "Wu et al. 2024 (arXiv 2404.02657)",
    ),
    Loss(
        "total_variation",
        "Half the sum of differences of probability: bounded, robust against rare words",
        "Wen et al. 2023, f-distill (arXiv 2307.15190)",
    ),
    Loss(
        "universal_logit",
        "How likely the first, second, third … word is, whatever the words: for a student with other tokens",
        "Boizard et al. 2024, ULD (arXiv 2402.12030), Eq. 5",
        by_rank=True,
    ),
    Loss(
        "dpo",
        "Prefer the chosen answer to the rejected one, measured from where the student began",
        "Rafailov et al. 2023 (arXiv 2305.18290), Eq. 7; survey Eq. 14",
        kind="ranking",
        config=PreferenceConfig,
        from_reference=True,
    ),
    Loss(
        "rrhf",
        "Find a better answer likelier than every worse one; add a text slice so that it goes on writing well",
        "Yuan et al. 2023 (arXiv 2304.05302), §3; survey Eq. 15",
        kind="ranking",
    ),
    Loss(
        "pro",
        "Put all answers in the teacher's order, the best against all that follow; add a text slice beside it",
        "Song et al. 2023 (arXiv 2306.17492); survey Eq. 16",
        kind="ranking",
    ),
    Loss(
        "kto",
        "Good answers up, bad ones down, each by itself, measured from where the student began",
        "Ethayarajh et al. 2024 (arXiv 2402.01306), §4",
        kind="ranking",
        config=PreferenceConfig,
        unary=True,
        from_reference=True,
    ),
    Loss(
        "reward_model",
        "Not a student but its judge: learn which of two answers is better, for grpo and rloo",
        "Ouyang et al. 2022 (arXiv 2203.02155), Eq. 1; survey Eq. 12",
        kind="reward",
    ),
    Loss(
        "grpo",
        "Answer each question several times; what earns more than the others becomes likelier",
        "Shao et al. 2024 (arXiv 2402.03300), Eq. 3; survey Eq. 13",
        kind="policy",
    ),
    Loss(
        "rloo",
        "The same with the mean of the other answers as the baseline: steadier with few answers",
        "Ahmadian et al. 2024 (arXiv 2402.14740), Eq. 7; survey Eq. 13",
        kind="policy",
    ),
    Loss(
        "label",
        "An encoder learns the teacher's labels by the share of its votes: small and fast",
        "Hinton et al. 2015 (arXiv 1503.02531), with votes as soft targets; survey §4.4.1",
        kind="label",
    ),
)
LOSSES: dict[str, Loss] = {loss.name: loss for loss in _ALL}

# settings that stood on every slice in 0.1.0: name → (the losses that read it, its name now)
_EARLIER: dict[str, tuple[tuple[str, ...], str]] = {
    "beta": (("generalized_jsd",), "beta"),
    "alpha": (("skew_kl", "skew_reverse_kl"), "alpha"),
    "preference_beta": (("dpo", "kto"), "beta"),
}


def refuse_foreign(slice_data: dict[str, Any]) -> None:
    """Raise ConfigError for a flat setting of 0.1.0 that is given for a loss without it: it would change nothing."""
    if slice_data.keys() >= _EARLIER.keys():
        return  # the file of a run of 0.1.0, which wrote all of them on every slice
    loss = str(slice_data.get("loss", "forward_kl"))
    for name, (losses, _) in _EARLIER.items():
        if name in slice_data and loss not in losses:
            raise ConfigError(
                f"{name} is {slice_data[name]}, but {loss} has no such setting; it is one of {', '.join(losses)}."
            )


def with_own_settings(slice_data: dict[str, Any]) -> dict[str, Any]:
    """A slice as 0.1.0 wrote it, with its flat settings under ``loss_config``.

    One that the slice's loss does not have changed nothing then, and is left out: a run that was made must load.
    What is new is asked by ``refuse_foreign`` first.
    """
    data = dict(slice_data)
    loss = str(data.get("loss", "forward_kl"))
    own = dict(data.get("loss_config") or {})
    for name, (losses, now) in _EARLIER.items():
        if name not in data:
            continue
        value = data.pop(name)
        if loss in losses:
            own.setdefault(now, value)
    return data | ({"loss_config": own} if own else {})
