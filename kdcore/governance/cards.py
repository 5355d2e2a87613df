"""The card of a student: what it is, what it was made of, what the teachers' terms ask for, how far it got."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypedDict

from kdcore.governance.teacher_terms import Entry, registry
from kdcore.records.datasets import Provenance, Source

ALLOWED = {
    "allow": "allowed",
    "allow_with_conditions": "allowed with conditions",
    "deny_if_competing": "not allowed for competing models",
    "deny": "not allowed",
    "unknown": "not settled",
}


class Taught(TypedDict):
    """What one slice of a recipe really taught."""

    name: str
    version: str
    sha256: str
    train: int
    heldout: int
    loss: str
    weight: str


@dataclass(frozen=True, slots=True)
class CardFacts:
    """All that a card says; every list is empty where there is nothing to say.

    ``data`` rows have name, version, sha256, train, heldout, loss, weight; ``sources`` teacher, terms, prompt,
    method, rows; ``decisions`` maps a decision to its rows; ``heldout`` a measure to (untrained, trained);
    ``compared`` model → measure → {mean, low, high}.
    """

    name: str
    run_id: str
    base: str
    layers: str
    created: str
    task: str = "text-generation"  # as model hubs name it
    data: Sequence[Taught] = ()
    sources: Sequence[Provenance] = ()
    decisions: dict[str, int] = field(default_factory=dict[str, int])
    training: dict[str, Any] = field(default_factory=dict[str, Any])
    heldout: dict[str, tuple[float, float]] = field(default_factory=dict[str, tuple[float, float]])
    compared: dict[str, dict[str, dict[str, float]]] = field(default_factory=dict[str, dict[str, dict[str, float]]])


def entries_of(sources: Sequence[Source]) -> list[Entry]:
    """The registry's entries that rows were made under, each once."""
    known = {entry.id: entry for entry in registry()[2]}
    named = dict.fromkeys(str(source["terms"] or "").split("@")[0] for source in sources)
    return [known[name] for name in named if name in known]


def lawful_name(name: str, entries: Sequence[Entry]) -> str:
    """The name with the beginning that a teacher's terms ask for."""
    for entry in entries:
        if entry.name_prefix and not name.lower().startswith(entry.name_prefix.lower()):
            name = f"{entry.name_prefix}-{name}"
    return name


def model_card(facts: CardFacts) -> str:
    """A model card in Markdown, with the front matter that model hubs read."""
    entries = entries_of(facts.sources)
    parts = [
        f"---\nlibrary_name: transformers\npipeline_tag: {facts.task}\ntags:\n- knowledge-distillation\n---",
        f"# {lawful_name(facts.name, entries)}",
        f"Distilled on {facts.created}, from {facts.layers} of {facts.base}. Training run `{facts.run_id}`.",
        _section("Data", _data(facts)),
        _section("Where the answers come from", _sources(facts)),
        _section("What people decided", _decisions(facts)),
        _section("Terms", _terms(facts, entries)),
        _section("Training", [f"- {name.replace('_', ' ')}: {value}" for name, value in facts.training.items()]),
        _section("Held-out rows", _heldout(facts)),
        _section("Compared with base and teacher", _compared(facts)),
        _section(
            "Limits",
            [
                "The student repeats its teacher's mistakes and adds its own. It gives no medical or legal advice, "
                "and an answer that nobody has checked is not evidence."
            ],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _section(title: str, lines: list[str]) -> str:
    return f"## {title}\n\n" + "\n".join(lines) if lines else ""


def _table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    if not rows:
        return []
    cells = [[str(cell).replace("|", "/").replace("\n", " ") for cell in row] for row in rows]
    lines = [" | ".join(row) for row in [list(head), ["---"] * len(head), *cells]]
    return [f"| {line} |" for line in lines]


def _data(facts: CardFacts) -> list[str]:
    return _table(
        ("version", "rows", "held out", "loss", "weight", "sha256"),
        [
            (f"{d['name']} v{d['version']}", d["train"], d["heldout"], d["loss"], d["weight"], d["sha256"][:16])
            for d in facts.data
        ],
    )


def _sources(facts: CardFacts) -> list[str]:
    return _table(
        ("teacher", "prompt", "method", "rows"),
        [(s["teacher"], s["prompt"], s["method"], s["rows"]) for s in facts.sources],
    )


def _decisions(facts: CardFacts) -> list[str]:
    if not facts.decisions:
        return ["Nobody has read these rows."]
    return [f"- {name}: {count} rows" for name, count in facts.decisions.items()]


def _terms(facts: CardFacts, entries: Sequence[Entry]) -> list[str]:
    lines = [
        f"- **{entry.terms}** ({entry.id}): training on its answers is {ALLOWED[entry.train]}. "
        + " ".join(entry.conditions)
        + (" The duties pass on to whoever uses this student." if entry.propagates else "")
        for entry in entries
    ]
    if len(lines) < len({str(source["terms"] or "").split("@")[0] for source in facts.sources}):
        lines.append("- Some rows were made by a teacher without an entry in the registry: read its licence.")
    return lines


def _heldout(facts: CardFacts) -> list[str]:
    rows = [(name.replace("_", " "), f"{a:.3f}", f"{b:.3f}") for name, (a, b) in facts.heldout.items()]
    return _table(("measure", "untrained", "trained"), rows)


def _compared(facts: CardFacts) -> list[str]:
    names = sorted({name for measures in facts.compared.values() for name in measures})
    rows = [(role, *(_interval(measures.get(name)) for name in names)) for role, measures in facts.compared.items()]
    return _table(("model", *(name.replace("_", " ") for name in names)), rows)


def _interval(value: dict[str, float] | None) -> str:
    return f"{value['mean']:.3f} ({value['low']:.3f} to {value['high']:.3f})" if value else ""
