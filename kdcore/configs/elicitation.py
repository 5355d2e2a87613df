"""A prompt template: what is sent to the teacher and how the reply is read. Immutable once used."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.places import Place
from kdcore.configs.teacher import SamplingConfig, TeacherConfig


class Example(Config):
    """One worked example, shown to the teacher before the real question."""

    user: str
    assistant: str


class PromptTemplate(Config):
    """Texts with ``{{variables}}``, and the method that reads the reply."""

    method: str = "direct"
    system: str = ""
    user: str = "{{question}}"
    examples: tuple[Example, ...] = ()
    method_config: dict[str, Any] = Field(default_factory=dict)


class TargetConfig(Config):
    """Exactly how many rows are wanted, and what a row must pass to count."""

    rows: int = Field(
        default=0, ge=0, le=1_000_000, description="Usable rows wanted, asking again as needed; 0 asks each seed once"
    )
    checks: tuple[str, ...] = Field(default=(), description="Checks that a row must pass to count")
    per_topic: bool = Field(default=False, description="The same number of rows for each topic")
    max_similarity: float = Field(
        default=1.0, gt=0, le=1, description="Rows more alike than this to a counted row do not count; 1 counts all"
    )
    max_passes: int = Field(default=20, ge=1, le=1000, description="Times that the same seeds are asked at most")


class BudgetConfig(Config):
    """What a run may use before it stops by itself; 0 is no limit."""

    tokens: int = Field(default=0, ge=0, description="Tokens read and written at most; 0 is no limit")
    seconds: float = Field(default=0.0, ge=0, description="Seconds of asking at most; 0 is no limit")
    money: float = Field(default=0.0, ge=0, description="Money at the prices above at most; 0 is no limit")


class GenerateConfig(Config):
    """One generation run: this prompt version, these seeds, this teacher."""

    project_id: str
    prompt_version_id: str
    template: PromptTemplate
    teacher: TeacherConfig
    sampling: SamplingConfig
    teacher_path: Place = Field(default="", description="Local folder of the model, resolved before the start")
    teacher_fingerprint: str = ""
    target: TargetConfig = TargetConfig()
    budget: BudgetConfig = BudgetConfig()
    replies: Place = Field(default="", description="Folder of kept replies; empty keeps none")
    terms_id: str = Field(default="", description="Entry of the teacher-terms registry that holds for this run")
    terms_version: str = ""
