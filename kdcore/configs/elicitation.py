"""A prompt template: what is sent to the teacher and how the reply is read. Immutable once used."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from kdcore.configs.base import Config
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


class GenerateConfig(Config):
    """One generation run: this prompt version, these seeds, this teacher."""

    project_id: str
    prompt_version_id: str
    template: PromptTemplate
    teacher: TeacherConfig
    sampling: SamplingConfig
    teacher_path: str = Field(default="", description="Local folder of the model, resolved before the start")
    teacher_fingerprint: str = ""
