"""How samples are embedded, placed on the map and grouped."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from kdcore.configs.base import Config
from kdcore.configs.places import Place
from kdcore.configs.teacher import TeacherConfig
from kdcore.records.rows import VerdictKey

EmbedText = Literal["question_answer", "question", "answer"]


class EmbedConfig(Config):
    """One map of a project's samples."""

    project_id: str = ""
    model: str = Field(default="minilm-l6-v2", description="Built-in name, Hub id or a local folder")
    model_path: Place = ""
    text: EmbedText = Field(default="question_answer", description="Which text places a sample on the map")
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    batch_tokens: int = Field(default=4096, ge=128, description="Tokens in one batch, padding included")
    max_tokens: int = Field(default=256, ge=16, le=512, description="Longer texts are cut here")
    projection: Literal["auto", "pca", "tsne", "umap"] = Field(
        default="auto", description="How vectors become a flat map"
    )
    algorithm: Literal["kmeans", "hdbscan", "evoc"] = Field(default="kmeans", description="How groups are found")
    clusters: int = Field(
        default=0,
        ge=0,
        le=500,
        description="Number of groups, or for hdbscan and evoc the fewest rows in one; 0 chooses",
    )
    seed: int = 0


class TitleConfig(Config):
    """Titles of a map's groups, written by a teacher who reads a few questions of each."""

    project_id: str = ""
    map_run: str = ""
    teacher: TeacherConfig
    teacher_path: Place = ""
    teacher_fingerprint: str = ""
    replies: Place = Field(default="", description="Folder of kept replies; empty keeps none")


class ScreenConfig(Config):
    """Which checks run over which samples. ``places`` has the folder that a need reads, by the need's name."""

    project_id: str = ""
    filters: tuple[str, ...] = ()
    options: dict[str, dict[str, Any]] = Field(default_factory=dict)
    places: dict[str, Place] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _two_places_were_fields(cls, data: Any) -> Any:
        """Runs of 0.1.0 named the folders of a map and of a model."""
        if not isinstance(data, dict) or not {"vectors", "embedder"} & set(data):
            return data
        data = dict(data)
        found = {"a map": data.pop("vectors", ""), "a model for meaning": data.pop("embedder", "")}
        return {**data, "places": {name: place for name, place in found.items() if place}}


class PickConfig(Config):
    """Which rows of a selection to keep where only so many may be."""

    project_id: str = ""
    selector: Literal["k_centre", "stratified", "top_diverse", "random"] = Field(
        default="k_centre", description="How rows are chosen"
    )
    count: int = Field(default=100, ge=1, le=100_000, description="How many rows")
    layer: Literal["topic", "cluster", "difficulty", "reader", "teacher"] = Field(
        default="topic", description="What stratified gives equal parts to"
    )
    score: str = Field(default="", description="What top_diverse goes by: a check's score, entropy or tokens")
    lowest: bool = Field(default=False, description="Take the lowest scores instead of the highest")
    seed: int = 0
    vectors: Place = ""

    def key(self, run_id: str) -> VerdictKey:
        """The name under which the rows that a run chose are found again."""
        return VerdictKey("pick", f"{self.selector.replace('_', '-')} {self.count} ({run_id[-6:]})")


class ConceptConfig(Config):
    """A concept learnt from the rows that people marked."""

    project_id: str = ""
    name: str = ""
    vectors: Place = ""
    seed: int = 0

    @property
    def key(self) -> VerdictKey:
        """The name under which its scores are kept."""
        return VerdictKey("concept", self.name)
