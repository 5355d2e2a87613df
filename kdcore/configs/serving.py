"""What a warm helper process answers: previews, semantic search, or a question to several candidates."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.evaluation import EvaluateConfig
from kdcore.configs.places import Place
from kdcore.configs.teacher import TeacherConfig


class ServeConfig(Config):
    """One warm service; it leaves when idle or when another run wants the accelerator."""

    project_id: str = Field(default="", description="Whose text a teacher behind an address is sent")
    service: Literal["teacher", "search", "chat"]
    teacher: TeacherConfig | None = None
    teacher_path: Place = ""
    teacher_fingerprint: str = ""
    replies: Place = Field(default="", description="Folder of kept replies")
    embedder_path: Place = ""
    vectors: Place = Field(default="", description="Folder of the run whose vectors are searched")
    models: EvaluateConfig | None = None
    idle_s: float = Field(default=900.0, gt=0, description="Leave after this long without a question, in seconds")
