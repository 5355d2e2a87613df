"""The one filter language: a typed tree that Explore, Review, Datasets and training slices share.

A selection serialises to the address bar and into dataset versions; ``store.selection`` compiles it.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import parse_qs, urlsplit

from pydantic import Field, TypeAdapter, ValidationError, field_validator, model_validator

from kdcore.configs.base import Config
from kdcore.errors import ConfigError
from kdcore.records.decisions import Decision, decision_of
from kdcore.records.rows import Column, VerdictKey, VerdictKind

Operator = Literal["=", "!=", "<", "<=", ">", ">=", "in", "is_null"]
Scalar = str | int | float | bool
TextField = Literal["any", "question", "answer", "rationale", "source"]


class ColumnIs(Config):
    """A comparison with one column."""

    kind: Literal["column"] = "column"
    column: Column
    op: Operator = "="
    values: tuple[Scalar, ...] = ()


class TextHas(Config):
    """Text or regular expression, not case-sensitive."""

    kind: Literal["text"] = "text"
    field: TextField = "any"
    query: str
    regex: bool = False


class InClusters(Config):
    """Members of some clusters of one map."""

    kind: Literal["clusters"] = "clusters"
    map_run: str
    clusters: tuple[int, ...]


class InLasso(Config):
    """Inside a polygon on one map; the corners in order, closed by itself."""

    kind: Literal["lasso"] = "lasso"
    map_run: str
    xs: tuple[float, ...]
    ys: tuple[float, ...]

    @model_validator(mode="after")
    def _is_polygon(self) -> InLasso:
        if len(self.xs) != len(self.ys) or len(self.xs) < 3:
            raise ValueError("a lasso needs at least three corners, with as many x as y")
        return self


class _OfVerdict(Config):
    """A selection by what something that judges said of the sample; 0.1.0 told its kind by the name's beginning."""

    filter: str
    verdict_kind: VerdictKind = "check"

    @model_validator(mode="before")
    @classmethod
    def _kind_was_a_prefix(cls, data: Any) -> Any:
        if isinstance(data, dict) and "verdict_kind" not in data and isinstance(data.get("filter"), str):
            key = VerdictKey.parse(data["filter"])
            return {**data, "verdict_kind": key.kind, "filter": key.filter}
        return data

    @property
    def key(self) -> VerdictKey:
        """Who judged."""
        return VerdictKey(self.verdict_kind, self.filter)


class HasVerdict(_OfVerdict):
    """What a check, a concept or a pick said of the sample."""

    kind: Literal["verdict"] = "verdict"
    passed: bool


class HasScore(_OfVerdict):
    """The score that a check, a concept or a teacher gave: from ``low``, and below ``high`` where that is given."""

    kind: Literal["score"] = "score"
    low: float
    high: float | None = None


class HasTag(Config):
    """A word that people put on the sample."""

    kind: Literal["tag"] = "tag"
    tag: str


class ReviewIs(Config):
    """What people decided."""

    kind: Literal["review"] = "review"
    states: tuple[Decision, ...]

    @field_validator("states", mode="before")
    @classmethod
    def _states_of_earlier_links(cls, states: Any) -> Any:
        return tuple(decision_of(str(state)) for state in states) if isinstance(states, list | tuple) else states


class IsOneOf(Config):
    """Given samples, such as the hits of a semantic search; ``label`` says where they come from."""

    kind: Literal["ids"] = "ids"
    sample_ids: tuple[str, ...]
    label: str = ""


class All(Config):
    """Every part holds; with no parts, every sample."""

    kind: Literal["all"] = "all"
    parts: tuple[Selection, ...] = ()


class AnyOf(Config):
    """At least one part holds; with no parts, no sample."""

    kind: Literal["any"] = "any"
    parts: tuple[Selection, ...] = ()


class Not(Config):
    """The complement."""

    kind: Literal["not"] = "not"
    part: Selection


Selection = Annotated[
    ColumnIs
    | TextHas
    | InClusters
    | InLasso
    | HasVerdict
    | HasScore
    | HasTag
    | ReviewIs
    | IsOneOf
    | All
    | AnyOf
    | Not,
    Field(discriminator="kind"),
]
for _model in (All, AnyOf, Not):
    _model.model_rebuild()
_ADAPTER: TypeAdapter[Selection] = TypeAdapter(Selection)
EVERYTHING = All()
MOST_PARTS, MOST_PATTERNS = 200, 12  # of a filter that comes by a link or a file
MOST_BYTES = 16 << 20  # of what a link unpacks to: half a million ids


def mentions(selection: Selection, column: Column) -> bool:
    """Whether a selection asks about a column anywhere, so that a default for it does not apply."""
    if isinstance(selection, ColumnIs):
        return selection.column == column
    if isinstance(selection, All | AnyOf):
        return any(mentions(part, column) for part in selection.parts)
    return isinstance(selection, Not) and mentions(selection.part, column)


def to_json(selection: Selection) -> str:
    """Serialise; equal selections give equal text."""
    return _ADAPTER.dump_json(selection).decode()


def from_json(text: str | bytes) -> Selection:
    """Parse; raise ConfigError for anything that is no selection."""
    try:
        found = _ADAPTER.validate_json(text)
    except ValidationError as exc:
        raise ConfigError(f"this is not a filter the app can read: {exc.errors()[0]['msg']}.") from exc
    parts = list(leaves(found))
    patterns = [part for part in parts if isinstance(part, TextHas)]
    if len(parts) > MOST_PARTS or len(patterns) > MOST_PATTERNS:
        raise ConfigError(
            f"this filter has {len(parts)} parts, {len(patterns)} of which look for a text; at most {MOST_PARTS} and "
            f"{MOST_PATTERNS} are looked for at once."
        )
    return found


def leaves(selection: Selection) -> Iterator[Selection]:
    """The parts of a selection that hold no other."""
    if isinstance(selection, All | AnyOf):
        for part in selection.parts:
            yield from leaves(part)
    elif isinstance(selection, Not):
        yield from leaves(selection.part)
    else:
        yield selection


def to_url(selection: Selection) -> str:
    """A short text for the address bar."""
    return base64.urlsafe_b64encode(zlib.compress(to_json(selection).encode(), 9)).decode().rstrip("=")


def from_url(text: str) -> Selection:
    """Read what ``to_url`` wrote; raise ConfigError for a damaged link."""
    try:
        raw = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
        inflater = zlib.decompressobj()
        data = inflater.decompress(raw, MOST_BYTES)
    except (ValueError, zlib.error) as exc:
        raise ConfigError(
            "the filter in this link is damaged; copy the whole link, or choose the filter again."
        ) from exc
    if inflater.unconsumed_tail:
        raise ConfigError(f"the filter in this link is longer than {MOST_BYTES >> 20} MB; choose the filter again.")
    return from_json(data)


def from_text(text: str) -> Selection:
    """A selection as people have it: JSON, a link of the app, or what stands in the link after ``filter=``."""
    text = text.strip()
    if text.startswith("{"):
        return from_json(text)
    if "://" in text or "filter=" in text:
        try:
            query = urlsplit(text).query
        except ValueError as exc:
            raise ConfigError(f"this is no link ({exc}); copy the whole link of the app.") from exc
        [found] = parse_qs(query or text.lstrip("?")).get("filter", [""])[-1:]
        if not found:
            raise ConfigError("this link has no filter; give one that Explore shows, or a selection as JSON.")
        return from_url(found)
    return from_url(text)


def found_ids(selection: Selection) -> tuple[str, ...]:
    """The samples that a search found, in its order; none where the selection holds no such part."""
    parts = selection.parts if isinstance(selection, All) else (selection,)
    return next((part.sample_ids for part in parts if isinstance(part, IsOneOf)), ())
