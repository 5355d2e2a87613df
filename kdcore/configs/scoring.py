"""How likely a teacher finds answers that are there already: those people mended, or another teacher wrote."""

from __future__ import annotations

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.teacher import TeacherConfig


class ScoreConfig(Config):
    """One teacher over the answers of one dataset version that lack its token probabilities."""

    project_id: str = ""
    dataset_id: str = ""
    teacher: TeacherConfig
    teacher_path: str = ""
    teacher_fingerprint: str = ""
    top_logprobs: int = Field(default=20, ge=1, le=64, description="Likeliest words kept at each position")
    tail_words: int = Field(
        default=0, ge=0, le=64, description="Words drawn from the others at each position, so that none is left out"
    )

    def signal(self, what: str) -> str:
        """The name under which a figure of this teacher is kept: ``likelihood`` or ``entropy``."""
        return f"{what}: {self.teacher.model}"
