"""``kd``: the services without a browser. Objects on stdout, talk on stderr, exit 2 for wrong input."""

from __future__ import annotations

import argparse
import json
import os
import sys
from typing import NoReturn

from pydantic import ValidationError

from kdcore.cli import datasets, distill, elicit, evaluate, explore, export, generate, review, start, tables
from kdcore.cli.shared import Arguments, Command
from kdcore.configs.base import sentence_of
from kdcore.errors import ConfigError, DataError, KdError, StoreError
from kdcore.settings import PRIVATE

STAGES = (start, elicit, generate, explore, review, datasets, export, distill, evaluate, tables)
COMMANDS: tuple[Command, ...] = tuple(command for stage in STAGES for command in stage.COMMANDS)


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one sentence, without the whole usage before it."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; {self.prog} --help shows what it takes.\n")


def build_parser() -> argparse.ArgumentParser:
    """All commands with their help."""
    parser = _Parser(prog="kd", description="Elicit, curate and distil, without a browser.")
    common = _Parser(add_help=False)
    common.add_argument("--workspace", help="folder of the workspace (default: $KD_WORKSPACE or ./workspace)")
    common.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        child = sub.add_parser(command.name, parents=[common], help=command.text, description=command.text)
        child.set_defaults(handler=command.run)
        command.options(child)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit: 0 success, 1 a run that failed, 2 wrong input."""
    parser = build_parser()
    given = sys.argv[1:] if argv is None else argv
    if unread := [each for each in given if any("\ud800" <= letter <= "\udfff" for letter in each)]:
        parser.error(f"{unread[0]!r} is no text in UTF-8; type it again, or set the terminal to UTF-8")
    arguments = parser.parse_args(given)
    os.umask(PRIVATE)
    try:
        result = arguments.handler(arguments)
    except (ConfigError, DataError, StoreError) as exc:
        _fail(arguments, exc, 2)
    except KdError as exc:
        _fail(arguments, exc, 1)
    except ValidationError as exc:
        _fail(arguments, ConfigError(sentence_of(exc)), 2)
    except OSError as exc:
        if exc.filename is None:  # no file or folder of the user's: ours to mend
            raise
        _fail(arguments, DataError(f"{exc.filename} can't be read or written ({exc.strerror})."), 2)
    except KeyboardInterrupt:
        sys.exit(130)
    else:
        if result is not None:
            print(json.dumps(result, ensure_ascii=False, indent=None if arguments.json else 2, default=str))


def _fail(arguments: Arguments, error: KdError, code: int) -> None:
    print(f"kd {arguments.command}: {error}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
