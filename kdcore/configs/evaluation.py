"""Comparing any number of candidates on one held-out split."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from kdcore.configs.base import Config
from kdcore.configs.places import Place
from kdcore.configs.teacher import Prompt

EARLIER = ("teacher", "student", "base")  # the three roles of 0.1.0, in the order in which they were measured
EARLIER_FIELDS = (*(f"{role}_path" for role in EARLIER), "base_keep_layers")


class Candidate(Config):
    """A model under the name by which it is compared."""

    label: str = Field(min_length=1, description="What it is called")
    model: Place = Field(description="Folder or Hub id")
    keep_layers: int = Field(default=0, ge=0, description="Evenly kept layers of a thinner copy; 0 is all")
    prompt: Prompt = Field(default="teacher", description="What it is shown: the teacher's prompt, or the question")


class EvaluateConfig(Config):
    """One evaluation. ``teacher`` names the candidate whose next words the others are measured against, if any."""

    project_id: str = ""
    train_run_id: str = ""
    dataset_id: str = ""
    candidates: tuple[Candidate, ...] = ()
    teacher: str = ""
    max_items: int = Field(default=64, ge=1, le=100_000, description="Held-out rows to use")
    max_new_tokens: int = Field(default=96, ge=1, le=4096, description="Longest answer, in tokens")
    batch_size: int = Field(default=16, ge=1)
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0

    @model_validator(mode="before")
    @classmethod
    def _roles_were_fields(cls, data: Any) -> Any:
        """Runs of 0.1.0 named a path for each of three roles."""
        if not isinstance(data, dict) or not any(f"{role}_path" in data for role in EARLIER):
            return data
        data = dict(data)
        layers = data.pop("base_keep_layers", 0)
        paths = {role: data.pop(f"{role}_path", "") for role in EARLIER}
        found = [
            {"label": role, "model": path, "keep_layers": layers if role == "base" else 0}
            for role, path in paths.items()
            if path
        ]
        return {"candidates": found, "teacher": "teacher" if paths["teacher"] else "", **data}

    @model_validator(mode="after")
    def _labels_tell_apart(self) -> EvaluateConfig:
        labels = [candidate.label for candidate in self.candidates]
        if len(set(labels)) != len(labels):
            raise ValueError(f"two candidates have one name: {', '.join(labels)}")
        if self.teacher and self.teacher not in labels:
            raise ValueError(f'the teacher "{self.teacher}" is no candidate; there are {", ".join(labels) or "none"}')
        return self
