"""How likely a teacher finds answers that are there already: those people mended, or another teacher wrote."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.places import Place
from kdcore.configs.teacher import TeacherConfig
from kdcore.records.rows import VerdictKey


class ScoreConfig(Config):
    """One teacher over the answers of one dataset version that lack its token probabilities."""

    project_id: str = ""
    dataset_id: str = ""
    teacher: TeacherConfig
    teacher_path: Place = ""
    teacher_fingerprint: str = ""
    top_logprobs: int = Field(default=20, ge=1, le=64, description="Likeliest words kept at each position")
    tail_words: int = Field(
        default=0, ge=0, le=64, description="Words drawn from the others at each position, so that none is left out"
    )

    def key(self, what: Literal["likelihood", "entropy"]) -> VerdictKey:
        """The name under which a figure of this teacher is kept."""
        return VerdictKey.parse(f"{what}: {self.teacher.model}")
