"""Comparing base, student and teacher on one held-out split."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kdcore.configs.base import Config

ModelRole = Literal["base", "student", "teacher"]


class EvaluateConfig(Config):
    """One evaluation: a training run's student against its base and its teacher."""

    project_id: str = ""
    train_run_id: str = ""
    dataset_id: str = ""
    base_path: str = ""
    base_keep_layers: int = Field(
        default=0, ge=0, description="Layers kept when the base is a thinner teacher; 0 is all"
    )
    student_path: str = ""
    teacher_path: str = ""
    max_items: int = Field(default=64, ge=1, le=100_000, description="Held-out rows to use")
    max_new_tokens: int = Field(default=96, ge=1, le=4096, description="Longest answer, in tokens")
    batch_size: int = Field(default=16, ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0
