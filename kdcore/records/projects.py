"""Projects, prompt versions and what was said about their text, as the tables give them."""

from __future__ import annotations

from typing import Any, TypedDict

from kdcore.records.decisions import DataClass


class Project(TypedDict):
    """One project."""

    project_id: str
    name: str
    domain: str | None
    created: float


class DataPolicy(TypedDict):
    """What a project's text is, and the contract under which it may be sent out ("" for none)."""

    data_class: DataClass
    contract: str


class TermsOverride(TypedDict):
    """A written decision to learn from a teacher's answers; ``terms`` is the entry's id."""

    project_id: str
    teacher: str
    terms: str
    who: str
    why: str
    created: float
    seq: int


class UndecidedTerms(TypedDict):
    """A teacher whose terms need a written decision that nobody has made yet, and the rows it wrote."""

    teacher: str
    terms: str
    title: str
    says: str
    conditions: list[str]
    rows: int


class Example(TypedDict):
    """A worked example of a prompt."""

    user: str
    assistant: str


class PromptContent(TypedDict):
    """A template as it was saved (``configs.elicitation.PromptTemplate``)."""

    method: str
    system: str
    user: str
    examples: list[Example]
    method_config: dict[str, Any]


class PromptVersion(TypedDict):
    """One immutable prompt version with the rows it has made, and those that could be read."""

    prompt_version_id: str
    project_id: str
    name: str
    version: int
    method: str
    content: PromptContent
    note: str
    created: float
    rows: int
    parsed: int


class ExportEvent(TypedDict):
    """Something that left a project: a version or a student, its form, and to whom it went."""

    what: str
    form: str
    rows: int
    target: str
    who: str
    created: float
