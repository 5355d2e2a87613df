"""A training recipe: the survey's Eq. 2 as a list of (dataset version, loss, weight), and a student."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from kdcore.configs.base import Config
from kdcore.configs.teacher import Precision

LossName = Literal["sequence_level_kd", "forward_kl"]


class SliceConfig(Config):
    """One term of the sum: these rows, this loss, this weight."""

    dataset_id: str
    loss: LossName = Field(default="forward_kl", description="What the student is taught from each row")
    weight: float = Field(default=1.0, gt=0, description="Share of this term in the sum")


class StudentConfig(Config):
    """The model that learns."""

    init: Literal["model", "teacher_layers"] = Field(
        default="teacher_layers", description="A model as it is, or a thinner copy of the teacher"
    )
    model: str = Field(default="smollm2-135m-instruct", description="Built-in name, Hub id or a local folder")
    keep_layers: int = Field(default=10, ge=1, description="Layers kept from the teacher, evenly spread")
    adapter: Literal["full", "lora"] = Field(
        default="full", description="Train every weight, or small added matrices"
    )
    lora_rank: int = Field(default=16, ge=1, le=512, description="Rank of the added matrices")
    lora_alpha: int = Field(default=32, ge=1, description="Scale of the added matrices")


class DistillConfig(Config):
    """One training run."""

    project_id: str = ""
    name: str = ""
    slices: tuple[SliceConfig, ...] = ()
    student: StudentConfig = StudentConfig()
    student_path: str = ""
    teacher_path: str = ""
    epochs: float = Field(default=3.0, gt=0, le=100, description="Passes over the data")
    max_steps: int = Field(default=0, ge=0, description="Stop after this many steps; 0 follows the passes")
    batch_size: int = Field(default=8, ge=1, le=512, description="Rows in one step")
    learning_rate: float = Field(default=3e-4, gt=0, le=1, description="Size of a step")
    warmup_ratio: float = Field(default=0.05, ge=0, le=1, description="Share of the steps that ramp up")
    weight_decay: float = Field(default=0.01, ge=0, le=1)
    max_grad_norm: float = Field(default=1.0, gt=0)
    max_length: int = Field(default=1024, ge=32, description="Longer rows are cut here, in tokens")
    precision: Precision = "auto"
    eval_every: int = Field(default=0, ge=0, description="Steps between evaluations; 0 is five times in a run")
    save_every: int = Field(default=0, ge=0, description="Steps between checkpoints; 0 is four times in a run")
    seed: int = 0
    chunk_tokens: int = Field(default=512, ge=8, description="Supervised tokens in one piece of the output layer")

    @model_validator(mode="after")
    def _one_slice_at_least(self) -> DistillConfig:
        if not self.slices:
            raise ValueError("a recipe needs at least one dataset version")
        return self
