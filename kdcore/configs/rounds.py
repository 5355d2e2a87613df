"""Rounds in which a student makes its own data and learns from it: ReST, Self-Rewarding, SPIN (survey §3.1.6)."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from kdcore.configs.base import Config
from kdcore.configs.teacher import EngineName, SamplingConfig

# names of 0.1.0 → names now
_EARLIER = {"least_rows": "min_rows", "most_forgetting": "max_forgetting", "most_kl_to_start": "max_kl_to_start"}


class RoundsConfig(Config):
    """One loop: ask the student, keep what passes, train it further, ask again."""

    project_id: str = ""
    name: str = Field(default="Rounds", description="What the loop is called")
    prompt_version_id: str = Field(
        description="How the student is asked: a prompt version of a self-knowledge method"
    )
    start: str = Field(description="The student of round 1: a model, or the training run of an earlier student")
    engine: EngineName = Field(default="vllm", description="Program that lets the student answer")
    rounds: int = Field(default=3, ge=1, le=20, description="Rounds at most")
    rows: int = Field(default=64, ge=4, le=100_000, description="Questions asked in each round")
    sampling: SamplingConfig = SamplingConfig(top_logprobs=0)
    checks: tuple[str, ...] = Field(default=(), description="Checks that an answer must pass to be learnt")
    loss: str = Field(default="sequence_level_kd", description="How the student learns from what it made")
    begin: Literal["last", "start"] = Field(
        default="last", description="Each round trains the last student further, or the first one anew (ReST)"
    )
    epochs: float = Field(default=1.0, gt=0, le=100, description="Passes over each round's rows")
    batch_size: int = Field(default=8, ge=1, le=512, description="Rows in one step")
    learning_rate: float = Field(default=5e-5, gt=0, le=1, description="Size of a step")
    adapter: Literal["full", "lora"] = Field(
        default="full", description="Train every weight, or small added matrices"
    )
    heldout_share: float = Field(default=0.15, ge=0, lt=1, description="Share of the first round's groups held out")
    min_rows: int = Field(default=4, ge=1, description="Fewer usable rows than this end the loop")
    stop_on_collapse: bool = Field(default=True, description="End the loop when answers grow alike or short")
    max_forgetting: float = Field(
        default=0.5, gt=0, description="End the loop when general questions cost this many nats a token more"
    )
    max_kl_to_start: float = Field(
        default=0.0,
        ge=0,
        description="End the loop when the student is this many nats a token from where round 1 began; 0 never does",
    )
    general_rows: int = Field(default=24, ge=0, le=24, description="General questions that both are measured on")
    shown_answers: int = Field(default=4, ge=0, le=64, description="Held-out questions answered at each evaluation")
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _names_of_earlier_loops(cls, data: Any) -> Any:
        return {_EARLIER.get(name, name): value for name, value in data.items()} if isinstance(data, dict) else data

    @model_validator(mode="after")
    def _a_distance_needs_questions(self) -> RoundsConfig:
        if self.max_kl_to_start and not self.general_rows:
            raise ValueError(
                "the distance to round 1 is measured on the general questions, and none are asked; "
                "ask some, or set max_kl_to_start to 0"
            )
        return self
