"""Which files to read, how, and which of their columns mean what."""

from __future__ import annotations

from typing import Any, Literal, cast

from pydantic import Field, model_validator

from kdcore.configs.base import Config
from kdcore.configs.places import Place

SeedKind = Literal["question", "document", "answered"]
ROLES = ("text", "answer", "rationale", "source", "topic", "difficulty", "reader", "group", "split")
PASSAGE_TOKENS = 400


class UploadFile(Config):
    """One file of the inbox under the name that its user knows."""

    path: Place
    name: str


class ReadingConfig(Config):
    """How files are read; what is empty is found out by looking at them."""

    encoding: str = Field(default="", description="Such as utf-8, cp1252, utf-16; empty finds out")
    delimiter: str = Field(default="", description="What parts the columns: , ; | or tab; empty finds out")
    header_row: int | None = Field(
        default=None, ge=0, description="Row of the column names; 0 for none; empty finds out"
    )
    sheet: str = Field(default="", description="Sheet of a spreadsheet; empty takes the first with a table")
    passage_tokens: int = Field(default=PASSAGE_TOKENS, ge=40, le=8000, description="Longest passage of a document")
    overlap_tokens: int = Field(default=0, ge=0, le=2000, description="Of each passage, repeated in the next")


class UploadConfig(Config):
    """Reading some files; unless ``store`` is set they are only looked at.

    ``mapping`` names the column of each role; what it leaves open is guessed. ``answered`` rows become samples of
    ``prompt_version_id``, by ``teacher``.
    """

    project_id: str
    files: tuple[UploadFile, ...] = Field(min_length=1, max_length=10_000)
    seed_kind: SeedKind = "question"
    mapping: dict[str, str] = Field(default_factory=dict, description="Role (text, answer, topic, …) → column")
    reading: ReadingConfig = ReadingConfig()
    store: bool = False
    most: int = Field(default=0, ge=0, description="Rows that are looked at of each file; 0 is all")
    shown: int = Field(default=20, ge=1, le=10_000, description="Rows and seeds that the preview tells")
    rewritten: dict[int, tuple[str, ...]] = Field(
        default_factory=dict,
        description="Seed, counted from 0 → what a person made of it: texts, or none",
    )
    prompt_version_id: str = ""
    teacher: dict[str, str] = Field(default_factory=dict)
    terms_id: str = ""
    terms_version: str = ""

    @model_validator(mode="before")
    @classmethod
    def _one_file(cls, data: Any) -> Any:
        """Runs of 0.1.0 had one file, and stored what they had a mapping for."""
        fields = cast("dict[str, Any]", data) if isinstance(data, dict) else {}
        if "path" not in fields:
            return data
        rest = {key: value for key, value in fields.items() if key not in ("path", "name")}
        files = [{"path": fields["path"], "name": fields.get("name", "")}]
        return {"files": files, "store": bool(fields.get("mapping")), **rest}
