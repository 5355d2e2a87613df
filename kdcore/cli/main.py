"""``kd``: the services without a browser. Objects on stdout, talk on stderr, exit 2 for wrong input."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kdcore.cli import commands, tables
from kdcore.cli import elicit as elicit_commands
from kdcore.errors import ConfigError, DataError, KdError, StoreError
from kdcore.models import DEFAULT_TEACHER
from kdcore.records.decisions import GIVEN

Command = Callable[[argparse.Namespace], Any]


def _file_or_project(parser: argparse.ArgumentParser, written: str) -> None:
    """A project of the workspace, or any JSONL file without one."""
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--project")
    where.add_argument("--file", type=Path, metavar="F.jsonl", help="work on this file; no workspace is opened")
    parser.add_argument("--text-field", help="field of the file that holds the text")
    parser.add_argument("--out", type=Path, help=f"with --file: {written}")


def build_parser() -> argparse.ArgumentParser:
    """All commands with their help."""
    parser = argparse.ArgumentParser(prog="kd", description="Elicit, curate and distil, without a browser.")
    common = argparse.ArgumentParser(add_help=False)
    common.add_argument("--workspace", help="folder of the workspace (default: $KD_WORKSPACE or ./workspace)")
    common.add_argument("--json", action="store_true", help="print one JSON object on stdout")
    sub = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: Command, text: str) -> argparse.ArgumentParser:
        child = sub.add_parser(name, parents=[common], help=text, description=text)
        child.set_defaults(handler=run)
        return child

    add("doctor", commands.doctor, "say what is installed, which engine answers, and what would fail")
    demo = add("demo", commands.demo, "run the main job on real models: seeds to a compared student")
    demo.add_argument("--rows", type=int, default=24, help="seed questions to ask (4 to 120)")
    demo.add_argument("--engine", choices=("vllm", "transformers"), help="engine of the teacher")
    ui = add("ui", commands.ui, "start the app in the browser")
    ui.add_argument("--port", type=int, default=8501, help="first port to try; a taken one moves on")
    ui.add_argument("--sample", action="store_true", help="create the sample project and run its main job once")

    imports = add("import", elicit_commands.import_seeds, "import seed questions or documents from a file")
    imports.add_argument("file")
    imports.add_argument("--project", required=True, help="name of the project; made if it is new")
    imports.add_argument("--kind", choices=("question", "document"), default="question")
    imports.add_argument("--map", action="append", default=[], metavar="ROLE=COLUMN", help="text=…, topic=…, group=…")

    elicit = add("elicit", elicit_commands.elicit, "show or try the requests of a method or a recipe")
    elicit.add_argument("method", help="name of a method or of a recipe")
    elicit.add_argument("--project", required=True)
    elicit.add_argument("--system")
    elicit.add_argument("--user")
    elicit.add_argument("--preview", type=int, default=0, metavar="N", help="ask the teacher N rows")
    elicit.add_argument("--config", metavar="JSON", help="settings of the method, as a JSON object")
    elicit.add_argument("--engine", choices=("vllm", "transformers"))
    elicit.add_argument("--max-tokens", type=int, default=256)
    elicit.add_argument("--save", metavar="NAME", help="keep the template as a prompt version")

    generate = add("generate", elicit_commands.generate, "ask the teacher, or resume a run")
    generate.add_argument("--project")
    generate.add_argument("--prompt", help="prompt version id; the newest when left out")
    generate.add_argument("--rows", type=int)
    generate.add_argument("--resume", metavar="RUN", help="go on with a run")
    generate.add_argument("--model", default=None)
    generate.add_argument("--engine", choices=("vllm", "transformers", "openai_http"))
    generate.add_argument("--base-url", default="")
    generate.add_argument("--api-key-env", default="", metavar="NAME", help="environment variable that holds the key")
    generate.add_argument("--max-tokens", type=int, default=256)
    generate.add_argument("--temperature", type=float, default=0.7)
    generate.add_argument("-n", type=int, default=1, help="answers for each question")
    generate.add_argument("--route", metavar="RUN,RUN", help="ask what is left of each part of the run that did best")
    generate.add_argument("--by", choices=("topic", "cluster"), default="topic", help="with --route: what a part is")
    generate.add_argument("--goes-by", default="", metavar="CHECK", help="with --route: a check's score decides")
    generate.add_argument("--exactly", type=int, default=0, metavar="N", help="go on until N rows pass the checks")
    generate.add_argument("--checks", help="checks that a row must pass to count, parted by commas")
    generate.add_argument("--per-topic", action="store_true", help="the same number of rows for each topic")
    generate.add_argument("--max-similarity", type=float, default=1.0, help="rows more alike than this do not count")
    generate.add_argument("--budget-tokens", type=int, default=0)
    generate.add_argument("--budget-seconds", type=float, default=0.0)
    generate.add_argument("--budget-money", type=float, default=0.0)

    embed = add("embed", commands.embed, "embed, place and group a project's samples")
    _file_or_project(embed, "Parquet with id, vector, x, y, cluster, title")
    embed.add_argument("--clusters", type=int, default=0, help="number of groups; 0 chooses")
    screen = add("screen", commands.screen, "run checks over a project's samples")
    _file_or_project(screen, "JSONL with the rows, passed and verdicts")
    screen.add_argument("--filters", help="names parted by commas; the usual ones when left out")
    review = add("review", commands.review, "record one decision about a sample")
    review.add_argument("sample")
    review.add_argument("action", choices=[str(decision) for decision in GIVEN])
    review.add_argument("--answer")
    review.add_argument("--reviewer", default="cli")

    score = add("score", commands.score, "have a teacher score the answers of a version that lack probabilities")
    score.add_argument("--dataset", required=True, help="dataset version id")
    score.add_argument("--model", help="a model on this machine; left out: the version's own teacher")
    score.add_argument("--engine", choices=("vllm", "transformers"))
    score.add_argument("--top", type=int, default=20, metavar="K", help="likeliest words kept at each position")
    score.add_argument("--tail", type=int, default=0, metavar="M", help="words drawn from the others (transformers)")
    score.add_argument("--second", action="store_true", help="read what another teacher has read already, too")

    dataset = add("dataset", commands.dataset, "freeze or list dataset versions")
    dataset.add_argument("--project", required=True)
    dataset.add_argument("--freeze", metavar="NAME")
    dataset.add_argument("--heldout", type=float, default=0.15, help="share of rows held out, by group")
    dataset.add_argument("--with-rejected", action="store_true", help="take rejected answers along, for kto")
    terms = add("terms", commands.terms, "teachers whose terms need a decision before training; record one")
    terms.add_argument("--project", required=True)
    terms.add_argument("--dataset", help="dataset version id; all of the project when left out")
    terms.add_argument("--allow", metavar="TEACHER", help="record that training on its answers is allowed")
    terms.add_argument("--who", default="", help="who decides it")
    terms.add_argument("--why", default="", help="why it is allowed")
    export = add("export", commands.export, "write a dataset version, or a student, to a folder")
    export.add_argument("dataset", nargs="?", help="dataset version id")
    export.add_argument("--run", help="a training run, to take its student instead")
    export.add_argument("--format", help="chat_jsonl and others (kd exporters); safetensors or gguf for a student")
    export.add_argument("--out", required=True)

    distill = add("distill", commands.distill, "train a student, or resume a run")
    distill.add_argument("--project")
    distill.add_argument("--dataset", help="dataset version id; the newest when left out")
    distill.add_argument("--loss", default="forward_kl", help="see kd losses")
    distill.add_argument("--targets", choices=("stored", "live"), default="stored", help="top-k, or the live teacher")
    distill.add_argument(
        "--tail", choices=("bucket", "drawn"), default="bucket", help="drawn: of kd score --tail, for forward_kl"
    )
    distill.add_argument("--beta", type=float, help="of generalized_jsd, dpo and kto")
    distill.add_argument("--temperature", type=float, default=1.0, help="with the live teacher")
    distill.add_argument("--on-policy", type=float, default=0.0, help="share of steps on the student's own answers")
    distill.add_argument("--student", help="model; left out: a thinned copy of the teacher")
    distill.add_argument("--keep-layers", type=int, default=10)
    distill.add_argument("--adapter", choices=("full", "lora", "qlora"), default="full")
    distill.add_argument(
        "--reward", choices=("frozen_answer", "teacher"), default="frozen_answer", help="of grpo and rloo"
    )
    distill.add_argument("--reward-run", default="", help="instead: the run of a reward model")
    distill.add_argument("--answers", type=int, default=4, help="answers to each question, for grpo and rloo")
    distill.add_argument("--epochs", type=float, default=3.0)
    distill.add_argument("--seed", type=int, default=0)
    distill.add_argument("--name", default="", help="what the run is called")
    distill.add_argument("--losses", default="", help="several, parted by commas: a sweep, one training each")
    distill.add_argument("--seeds", default="", help="several, parted by commas")
    distill.add_argument("--rows", default="", help="training rows, several parted by commas; 0 is all")
    distill.add_argument("--draws", default="", help="with --rows: picks that draw them, parted by commas; or chance")
    distill.add_argument("--resume", metavar="RUN")
    rounds = add("rounds", commands.rounds_command, "let a student make its own data and learn from it, in rounds")
    rounds.add_argument("--project")
    rounds.add_argument("--prompt", default="", help="prompt version of a self-knowledge method")
    rounds.add_argument("--student", default=DEFAULT_TEACHER, help="a model, or the run of an earlier student")
    rounds.add_argument("--rounds", type=int, default=3)
    rounds.add_argument("--rows", type=int, default=64, help="questions asked in each round")
    rounds.add_argument("--loss", default="sequence_level_kd", help="dpo for methods that make pairs")
    rounds.add_argument(
        "--begin", choices=("last", "start"), default="last", help="train the last student, or the first"
    )
    rounds.add_argument("--epochs", type=float, default=1.0)
    rounds.add_argument("--checks", default="", help="checks that an answer must pass, parted by commas")
    rounds.add_argument(
        "--most-kl", type=float, default=0.0, metavar="NATS", help="end when it is this far from where round 1 began"
    )
    rounds.add_argument("--engine", choices=("vllm", "transformers"))
    rounds.add_argument("--name", default="Rounds")
    rounds.add_argument("--resume", metavar="ROUNDS")
    evaluate = add("evaluate", commands.evaluate, "compare a run's student with base and teacher")
    evaluate.add_argument("run", nargs="+", help="training run; several put their students side by side")
    evaluate.add_argument("--items", type=int, default=64)

    for name, text in tables.TABLES.items():
        add(name, tables.table(name), text)
    add("rebuild", commands.rebuild, "make the database anew from run folders and decisions")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run one command and exit: 0 success, 1 a run that failed, 2 wrong input."""
    arguments = build_parser().parse_args(argv)
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


def _fail(arguments: argparse.Namespace, error: KdError, code: int) -> None:
    print(f"kd {arguments.command}: {error}", file=sys.stderr)
    sys.exit(code)


if __name__ == "__main__":
    main()
