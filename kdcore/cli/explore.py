"""``kd embed``, ``screen`` and ``samples``: rows placed, checked and read."""

from __future__ import annotations

from pathlib import Path

from kdcore.cli.shared import (
    Arguments,
    Command,
    Parser,
    finish,
    names,
    open_workspace,
    progress_line,
    project_id,
    whole,
)
from kdcore.configs.exploration import EmbedConfig
from kdcore.configs.selection import EVERYTHING, from_text
from kdcore.errors import ConfigError
from kdcore.filters import USUAL
from kdcore.services import file_jobs
from kdcore.services.explore import maps, taken_out
from kdcore.services.explore import samples as explore_samples
from kdcore.settings import workspace


def embed(arguments: Arguments) -> object:
    """``kd embed``."""
    config = EmbedConfig(clusters=arguments.clusters)
    if arguments.file:
        out = _out(arguments)
        folder = workspace(arguments.workspace).models
        field = arguments.text_field or "text"
        return file_jobs.embed_file(arguments.file, field, out, config, folder, progress_line())
    with open_workspace(arguments) as app:
        run = maps.start_map(app, project_id(app, arguments.project), config)
        return finish(app, run.run_id) | {"clusters": maps.groups(app, run.run_id)}


def screen(arguments: Arguments) -> object:
    """``kd screen``."""
    filters = names(arguments.filters) or list(USUAL)
    if arguments.file:
        return file_jobs.screen_file(arguments.file, filters, arguments.text_field, _out(arguments), progress_line())
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        run = explore_samples.start_screen(app, project, filters)
        return finish(app, run.run_id) | {"checks": explore_samples.checks(app, project)}


def samples(arguments: Arguments) -> object:
    """``kd samples``: ``{samples, total}``, every status and role unless filtered."""
    selection = from_text(arguments.filter) if arguments.filter else EVERYTHING
    if arguments.limit is not None and arguments.limit < 0:
        raise ConfigError(f"--limit is {arguments.limit}; expected 0 or more rows.")
    if arguments.out is not None:
        taken_out.refuse(arguments.out)
    with open_workspace(arguments) as app:
        project = project_id(app, arguments.project)
        found = taken_out.rows(app, project, selection, arguments.limit)
        total = taken_out.total(app, project, selection)
    if arguments.out is not None:
        taken_out.write(arguments.out, found)
        if not arguments.json:
            return {"out": str(arguments.out), "rows": len(found), "total": total}
    return {"samples": found, "total": total}


def _out(arguments: Arguments) -> Path:
    if arguments.out is None:
        raise ConfigError("--file needs --out: the path of the file to write.")
    return arguments.out


def _file_or_project(parser: Parser, written: str) -> None:
    """A project of the workspace, or any JSONL file without one."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--project")
    where.add_argument("--file", type=Path, metavar="F.jsonl", help="work on this file; no workspace is opened")
    parser.add_argument("--text-field", help="field of the file that holds the text")
    parser.add_argument("--out", type=Path, help=f"with --file: {written}")


def _embed_options(parser: Parser) -> None:
    _file_or_project(parser, "Parquet with id, vector, x, y, cluster, title")
    parser.add_argument("--clusters", type=whole(), default=0, help="number of groups; 0 chooses")


def _screen_options(parser: Parser) -> None:
    _file_or_project(parser, "JSONL with the rows, passed and verdicts")
    parser.add_argument("--filters", help="names parted by commas; the usual ones when left out")


def _samples_options(parser: Parser) -> None:
    parser.add_argument("--project")
    parser.add_argument("--filter", metavar="F", help="a selection as JSON, or the link that Explore shows")
    parser.add_argument("--limit", type=int, metavar="N", help="at most N rows; all when left out")
    parser.add_argument("--out", type=Path, metavar="F.jsonl|F.parquet", help="write the rows to this file")


COMMANDS = (
    Command("embed", "embed, place and group a project's samples", embed, _embed_options),
    Command("screen", "run checks over a project's samples", screen, _screen_options),
    Command("samples", "read the samples of a project, all or filtered", samples, _samples_options),
)
