"""``kd``: the services without a browser. Objects on stdout, talk on stderr, exit 2 for wrong input."""

from __future__ import annotations

import argparse
import json
import os
import sys

from kdcore.cli import datasets, distill, elicit, evaluate, explore, export, generate, review, start, tables
from kdcore.cli.shared import Arguments, Command
from kdcore.errors import ConfigError, DataError, KdError, StoreError
from kdcore.settings import PRIVATE

STAGES = (start, elicit, generate, explore, review, datasets, export, distill, evaluate, tables)
COMMANDS: tuple[Command, ...] = tuple(command for stage in STAGES for command in stage.COMMANDS)


def build_parser() -> argparse.ArgumentParser:
    """All commands with their help."""
    parser = argparse.ArgumentParser(prog="kd", description="Elicit, curate and distil, without a browser.")
    common = argparse.ArgumentParser(add_help=False)
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
    arguments = build_parser().parse_args(argv)
    os.umask(PRIVATE)
    try:
        result = arguments.handler(arguments)
    except (ConfigError, DataError, StoreError) as exc:
        _fail(arguments, exc, 2)
    except KdError as exc:
        _fail(arguments, exc, 1)
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
