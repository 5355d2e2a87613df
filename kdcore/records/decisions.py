"""What people decide, as it stands in the log of decisions and as it holds for a sample."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kdcore.errors import DataError


class Decision(StrEnum):
    """What holds for a sample. One grammar everywhere: in the log, in the tables, in selections and on pages."""

    PENDING = "pending"
    ACCEPT = "accept"
    EDIT = "edit"
    REJECT = "reject"
    SKIP = "skip"


GIVEN = (Decision.ACCEPT, Decision.REJECT, Decision.EDIT, Decision.SKIP)  # what a person can say of a sample
KEPT = (Decision.ACCEPT, Decision.EDIT)  # what a person stands behind
SETTLED = (*KEPT, Decision.REJECT)
UNDO = "undo"  # an event that takes another back; never what holds
_ACTION = "^(" + "|".join([*GIVEN, UNDO]) + ")$"
# states of a selection in links and versions of 0.1.0
_EARLIER = {"accepted": "accept", "edited": "edit", "rejected": "reject", "skipped": "skip"}


def decision_of(text: str) -> str:
    """Today's word for a state, also for one of 0.1.0."""
    return _EARLIER.get(text, text)


def _refusal(exc: ValidationError) -> DataError:
    """The first thing wrong, in a sentence."""
    first = exc.errors()[0]
    where = ".".join(str(part) for part in first["loc"]) or "record"
    return DataError(f"{where}: {first['msg']}")


class Logged(BaseModel):
    """One record of the log. ``TEXTS`` names the fields that stand beside the hash chain, to be erasable."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    TEXTS: ClassVar[tuple[str, ...]] = ()

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except ValidationError as exc:
            raise _refusal(exc) from exc
        for name, value in fields.items():
            if isinstance(value, str) and not value.isascii() and value.encode("utf-8", "replace").decode() != value:
                raise DataError(f"{name} holds bytes that are no text (half a character); type or paste it again.")


class ProjectMade(Logged):
    """A new project."""

    TEXTS = ("name",)
    kind: Literal["project"] = "project"
    project_id: str
    name: str
    domain: str = ""
    created: float


class PromptVersionSaved(Logged):
    """An immutable template; ``content`` is its JSON."""

    TEXTS = ("content", "note")
    kind: Literal["prompt_version"] = "prompt_version"
    prompt_version_id: str
    project_id: str
    name: str
    version: int
    method: str
    content: str
    note: str = ""
    created: float


class Reviewed(Logged):
    """One decision about one sample, or its undoing (``undoes`` names the event)."""

    TEXTS = ("question", "answer", "note")
    kind: Literal["review"] = "review"
    event_id: str
    sample_id: str
    project_id: str
    reviewer: str
    action: str = Field(pattern=_ACTION)
    question: str | None = None
    answer: str | None = None
    note: str = ""
    undoes: str | None = None
    seen: str = ""  # revision of the text that its author read; "" where nobody says
    created: float


class ReviewedMany(Logged):
    """The same decision about many samples; an event's id is ``batch id:sample id``."""

    TEXTS = ("note",)
    kind: Literal["reviews"] = "reviews"
    batch_id: str
    project_id: str
    reviewer: str
    action: str = Field(pattern=_ACTION)
    sample_ids: tuple[str, ...]
    undoes: str = ""
    note: str = ""
    created: float


class Tagged(Logged):
    """A tag put on samples, or taken off."""

    kind: Literal["tags"] = "tags"
    batch_id: str
    project_id: str
    tag: str
    present: bool
    sample_ids: tuple[str, ...]
    undoes: str = ""
    reviewer: str
    created: float


class DoubtsSettled(Logged):
    """What a person answers for: sentences about damage that need not be shown any more.

    ``sentences`` are those that each start finds anew; ``places`` are of runs and versions, as verify says them.
    """

    TEXTS = ("why",)
    kind: Literal["settled"] = "settled"
    sentences: tuple[str, ...]
    places: tuple[str, ...] = ()
    who: str
    why: str
    created: float


class DoubtsEnded(Logged):
    """What was settled is no longer so: should it come again, it is said again."""

    kind: Literal["ended"] = "ended"
    sentences: tuple[str, ...]
    created: float


class ViewSaved(Logged):
    """What the address bar held, under a name; ``present`` false forgets it."""

    TEXTS = ("query",)
    kind: Literal["view"] = "view"
    project_id: str
    name: str
    query: str
    reviewer: str
    present: bool = True
    created: float


class RunNamed(Logged):
    """The name that a person gave to a run: to answers, a map, a student, a comparison."""

    TEXTS = ("name",)
    kind: Literal["run_name"] = "run_name"
    project_id: str
    run_id: str
    name: str
    reviewer: str
    created: float


DataClass = Literal["public", "internal", "phi", "privileged"]


class DataClassSet(Logged):
    """What kind of text a project holds, and the agreement with an outside teacher."""

    TEXTS = ("contract",)
    kind: Literal["data_class"] = "data_class"
    project_id: str
    data_class: str
    contract: str = ""
    created: float


class TermsDecided(Logged):
    """Who allowed training on a teacher's answers, and why."""

    TEXTS = ("why",)
    kind: Literal["terms_override"] = "terms_override"
    project_id: str
    teacher: str
    terms: str
    who: str
    why: str
    created: float


class ProgramsAllowed(Logged):
    """Programs that came with a person's file and may run here; ``programs`` are the sha256 of their texts."""

    kind: Literal["programs"] = "programs"
    project_id: str
    programs: tuple[str, ...]
    who: str
    created: float


class Exported(Logged):
    """Rows or a student that left the workspace: what, in which form, to whom and where."""

    TEXTS = ("to",)
    kind: Literal["exported"] = "exported"
    project_id: str
    what: str  # a dataset version, or the training run of a student
    form: str
    rows: int = 0
    to: str = ""  # a folder, or "download"
    who: str
    created: float


class DatasetFrozen(Logged):
    """A dataset version; ``sha256`` is of its rows, ``file_sha256`` of its file ("" in versions of 0.1.0)."""

    kind: Literal["dataset"] = "dataset"
    dataset_id: str
    project_id: str
    name: str
    version: int
    selection: str
    config: dict[str, Any] = Field(default_factory=dict)
    sha256: str
    file_sha256: str = ""
    row_count: int
    created: float


class LogAdopted(Logged):
    """The log of 0.1.0 that stands above: its bytes, lines and sha256, so that the chain covers it too."""

    kind: Literal["adopted"] = "adopted"
    bytes: int
    lines: int
    sha256: str
    created: float


AnyDecision = Annotated[
    ProjectMade
    | PromptVersionSaved
    | Reviewed
    | ReviewedMany
    | Tagged
    | ViewSaved
    | RunNamed
    | DataClassSet
    | TermsDecided
    | ProgramsAllowed
    | Exported
    | DatasetFrozen
    | DoubtsSettled
    | DoubtsEnded
    | LogAdopted,
    Field(discriminator="kind"),
]
_ADAPTER: TypeAdapter[AnyDecision] = TypeAdapter(AnyDecision)
_TEXTS: dict[str, tuple[str, ...]] = {
    each.model_fields["kind"].default: each.TEXTS for each in get_args(get_args(AnyDecision)[0])
}


def texts_of(kind: str) -> tuple[str, ...]:
    """The fields of a kind of record that stand beside the hash chain; raises KeyError for a kind that is none."""
    return _TEXTS[kind]


def read_decision(body: dict[str, Any]) -> AnyDecision:
    """A record of the log; raises DataError with what is wrong for anything else."""
    try:
        return _ADAPTER.validate_python(body)
    except ValidationError as exc:
        raise _refusal(exc) from exc
