"""How samples are embedded, placed on the map and grouped."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kdcore.configs.base import Config

EmbedText = Literal["question_answer", "question", "answer"]


class EmbedConfig(Config):
    """One map of a project's samples."""

    project_id: str = ""
    model: str = Field(default="minilm-l6-v2", description="Built-in name, Hub id or a local folder")
    model_path: str = ""
    text: EmbedText = Field(default="question_answer", description="Which text places a sample on the map")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    batch_tokens: int = Field(default=4096, ge=128, description="Tokens in one batch, padding included")
    max_tokens: int = Field(default=256, ge=16, le=512, description="Longer texts are cut here")
    projection: Literal["auto", "pca", "tsne", "umap"] = Field(
        default="auto", description="How vectors become a flat map"
    )
    clusters: int = Field(default=0, ge=0, le=500, description="Number of groups; 0 chooses by silhouette")
    seed: int = 0


class ScreenConfig(Config):
    """Which checks run over which samples."""

    project_id: str = ""
    filters: tuple[str, ...] = ()
    options: dict[str, dict[str, float | int | str | bool]] = Field(default_factory=dict)
