"""``kd review``: one decision about one sample."""

from __future__ import annotations

from kdcore.cli.shared import Arguments, Command, Parser, open_workspace
from kdcore.records.decisions import GIVEN
from kdcore.services.review import decisions as review_service


def review(arguments: Arguments) -> object:
    """``kd review``."""
    with open_workspace(arguments) as app:
        event = review_service.decide(
            app, arguments.sample, arguments.action, arguments.reviewer, answer=arguments.answer
        )
    return {"event_id": event, "sample_id": arguments.sample, "action": arguments.action}


def _options(parser: Parser) -> None:
    parser.add_argument("sample")
    parser.add_argument("action", choices=[str(decision) for decision in GIVEN])
    parser.add_argument("--answer")
    parser.add_argument("--reviewer", default="cli")


COMMANDS = (Command("review", "record one decision about a sample", review, _options),)
