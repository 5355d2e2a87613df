"""``kd dataset``, ``score`` and ``terms``: versions frozen, read by a teacher, and allowed to be learnt."""

from __future__ import annotations

import sys

from kdcore.cli.shared import ENGINES, Arguments, Command, Parser, finish, open_workspace, project_id, share, whole
from kdcore.configs.selection import EVERYTHING
from kdcore.errors import ConfigError
from kdcore.services import governance, models
from kdcore.services.datasets import scoring
from kdcore.services.datasets import versions as dataset_versions


def score(arguments: Arguments) -> object:
    """``kd score``."""
    with open_workspace(arguments) as app:
        engine = arguments.engine or ("transformers" if arguments.tail else models.default_engine()[0])
        model = arguments.model or scoring.local_teacher_of(app, arguments.dataset)
        reader = scoring.reader(app, arguments.dataset, engine, model)
        run = scoring.start(
            app, arguments.dataset, reader, arguments.top, second=arguments.second, tail_words=arguments.tail
        )
        return finish(app, run.run_id)


def _score_options(parser: Parser) -> None:
    parser.add_argument("--dataset", required=True, help="dataset version id")
    parser.add_argument("--model", help="a model on this machine; left out: the version's own teacher")
    parser.add_argument("--engine", choices=ENGINES)
    parser.add_argument("--top", type=whole(1), default=20, metavar="K", help="likeliest words kept at each position")
    parser.add_argument(
        "--tail", type=whole(), default=0, metavar="M", help="words drawn from the others (transformers)"
    )
    parser.add_argument("--second", action="store_true", help="read what another teacher has read already, too")


def dataset(arguments: Arguments) -> object:
    """``kd dataset``."""
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        if arguments.freeze:
            bad = EVERYTHING if arguments.with_rejected else None
            for note in dataset_versions.planned(app, project, EVERYTHING, arguments.heldout).notes:
                print(f"note: {note}", file=sys.stderr)
            return dataset_versions.freeze(
                app, project, arguments.freeze, heldout_share=arguments.heldout, rejected=bad
            )
        return {"datasets": dataset_versions.list_datasets(app, project)}


def _dataset_options(parser: Parser) -> None:
    parser.add_argument("--project")
    parser.add_argument("--freeze", metavar="NAME")
    parser.add_argument("--heldout", type=share, default=0.15, help="share of rows held out, by group")
    parser.add_argument("--with-rejected", action="store_true", help="take rejected answers along, for kto")


def terms(arguments: Arguments) -> object:
    """``kd terms``."""
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        every = [version["dataset_id"] for version in dataset_versions.list_datasets(app, project)]
        chosen = [arguments.dataset] if arguments.dataset else every
        waiting = governance.undecided_terms(app, project, chosen)
        if arguments.allow:
            named = [row for row in waiting if row["teacher"] == arguments.allow]
            if not named:
                names = ", ".join(row["teacher"] for row in waiting) or "none"
                raise ConfigError(f'no terms of "{arguments.allow}" wait for a decision; waiting: {names}.')
            for row in named:
                governance.decide_terms(app, project, row["teacher"], row["terms"], arguments.who, arguments.why)
            waiting = governance.undecided_terms(app, project, chosen)
        return {"undecided": waiting}


def _terms_options(parser: Parser) -> None:
    parser.add_argument("--project")
    parser.add_argument("--dataset", help="dataset version id; all of the project when left out")
    parser.add_argument("--allow", metavar="TEACHER", help="record that training on its answers is allowed")
    parser.add_argument("--who", default="", help="who decides it")
    parser.add_argument("--why", default="", help="why it is allowed")


COMMANDS = (
    Command("score", "have a teacher score the answers of a version that lack probabilities", score, _score_options),
    Command("dataset", "freeze or list dataset versions", dataset, _dataset_options),
    Command("terms", "teachers whose terms need a decision before training; record one", terms, _terms_options),
)
