"""``kd methods``, ``losses``, ``measures``, ``filters`` and ``exporters``: the literal tables as JSON."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kdcore.cli.shared import Arguments, Command
from kdcore.distill.losses import LOSSES
from kdcore.elicitation import METHODS
from kdcore.elicitation.recipes import RECIPES
from kdcore.evaluate.measures import MEASURES
from kdcore.exporters import EXPORTERS
from kdcore.filters import FILTERS

TABLES = {
    "methods": "list the elicitation methods",
    "recipes": "list the ready recipes over the methods",
    "losses": "list the losses",
    "measures": "list what is measured of a model",
    "filters": "list the checks",
    "exporters": "list the export formats",
}


def _methods() -> list[dict[str, Any]]:
    return [
        {
            "name": m.name,
            "family": m.family,
            "source": m.source,
            "summary": m.summary,
            "warning": m.warning,
            "takes": m.takes,
            "config_schema": m.config.model_json_schema(),
        }
        for m in METHODS.values()
    ]


_ROWS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "recipes": lambda: [
        {"name": r.name, "skill": r.skill, "summary": r.summary, "method": r.template.method}
        for r in RECIPES.values()
    ],
    "methods": _methods,
    "losses": lambda: [
        {
            "name": loss.name,
            "summary": loss.summary,
            "source": loss.source,
            "kind": loss.kind,
            "config_schema": loss.config.model_json_schema(),
        }
        for loss in LOSSES.values()
    ],
    "measures": lambda: [
        {
            "name": measure.name,
            "title": measure.title,
            "unit": measure.unit,
            "more_is_better": measure.more_is_better,
            "per": measure.per,
            "needs": sorted(measure.needs),
        }
        for measure in MEASURES.values()
    ],
    "filters": lambda: [
        {"name": f.name, "summary": f.summary, "config_schema": f.config.model_json_schema()}
        for f in FILTERS.values()
    ],
    "exporters": lambda: [{"name": e.name, "summary": e.summary} for e in EXPORTERS.values()],
}


def table(name: str) -> Callable[[Arguments], dict[str, Any]]:
    """``kd methods`` and its like."""
    return lambda arguments: {name: _ROWS[name]()}


COMMANDS = tuple(Command(name, text, table(name)) for name, text in TABLES.items())
