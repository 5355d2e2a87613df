"""Which file to read and which of its columns mean what."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from kdcore.configs.base import Config
from kdcore.configs.places import Place

SeedKind = Literal["question", "document"]
ROLES = ("text", "source", "topic", "difficulty", "reader", "group")


class UploadConfig(Config):
    """Reading one file; without a mapping it is only looked at."""

    project_id: str
    path: Place
    name: str = ""
    seed_kind: SeedKind = "question"
    mapping: dict[str, str] = Field(default_factory=dict, description="Role (text, source, topic, …) → column")
