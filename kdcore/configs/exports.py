"""What is taken away, and where to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kdcore.configs.base import Config


class ExportConfig(Config):
    """A dataset version or a student, one of the two."""

    dataset_id: str = Field(default="", description="Dataset version to write")
    train_run_id: str = Field(default="", description="Training run whose student is copied instead")
    format: str = Field(default="", description="An exporter (see kd exporters); safetensors or gguf for a student")
    thoughts: Literal["none", "tags"] = Field(
        default="none", description="tags writes a rationale between think tags before the answer"
    )
    out: str = Field(default="", description="A new or an empty folder")
