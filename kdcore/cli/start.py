"""``kd doctor``, ``demo``, ``ui`` and ``rebuild``: the machine, the sample, the app, the database."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from kdcore.cli.shared import ENGINES, Arguments, Command, Parser, open_workspace, whole
from kdcore.errors import ConfigError, JobError
from kdcore.services import backup as backup_service
from kdcore.services import main_job, models
from kdcore.services import verify as verify_service
from kdcore.services import workspace as app_service
from kdcore.settings import workspace

MAX_DEMO_ROWS = 120
FEW_ROWS = 60  # below it a step takes fewer rows, or there would be hardly any step


def doctor(arguments: Arguments) -> object:
    """``kd doctor``."""
    return models.doctor(workspace(arguments.workspace))


def setup(arguments: Arguments) -> None:
    """``kd setup``: torch, vLLM and the model libraries for this machine, then the built-in models."""
    from kdcore.install import extra_for_this_machine, install

    install(extra_for_this_machine())
    # A process of its own: this one began without the libraries.
    command = [sys.executable, "-m", "kdcore.workers.fetch", "--workspace", str(workspace(arguments.workspace).root)]
    if code := subprocess.run(command).returncode:
        sys.exit(code)


def demo(arguments: Arguments) -> object:
    """``kd demo``: the main job to its end."""
    if not 4 <= arguments.rows <= MAX_DEMO_ROWS:
        raise ConfigError(
            f"--rows is {arguments.rows}; expected 4 to {MAX_DEMO_ROWS} (the sample has 120 questions)."
        )
    teacher = models.default_teacher()
    if arguments.engine:
        teacher = teacher.model_copy(update={"engine": arguments.engine})
    with open_workspace(arguments) as app:
        few: dict[str, Any] = {"epochs": 4.0, "batch_size": 4} if arguments.rows < FEW_ROWS else {}  # steps enough
        plan = main_job.create(app, rows=arguments.rows, teacher=teacher, **few)
        seen = ""

        def tell(now: main_job.Plan) -> None:
            nonlocal seen
            stage = list(now.stages)[-1] if now.stages else ""
            if stage != seen:
                print(f"{time.strftime('%H:%M:%S')} {stage}", file=sys.stderr, flush=True)
                seen = stage

        plan = main_job.wait(app, tell)
        if plan.state != "done":
            raise JobError(plan.message)
        return main_job.report(app, plan)


def _demo_options(parser: Parser) -> None:
    parser.add_argument("--rows", type=int, default=24, help="seed questions to ask (4 to 120)")
    parser.add_argument("--engine", choices=ENGINES, help="engine of the teacher")


def ui(arguments: Arguments) -> None:
    """``kd ui``: start the app on the first free port."""
    from kdcore.ui.launch import launch

    launch(workspace(arguments.workspace), arguments.port, sample=arguments.sample, host=arguments.host)


def _ui_options(parser: Parser) -> None:
    parser.add_argument("--port", type=whole(1), default=8501, help="first port to try; a taken one moves on")
    parser.add_argument(
        "--host", default="", metavar="NAME", help="the name under which a proxy of yours passes people on"
    )
    parser.add_argument("--sample", action="store_true", help="create the sample project and run its main job once")


def rebuild(arguments: Arguments) -> object:
    """``kd rebuild``."""
    verify_service.refuse_elsewhere(workspace(arguments.workspace))
    return app_service.rebuild(arguments.workspace)


def verify(arguments: Arguments) -> object:
    """``kd verify``: exit 1 where something is not as it was written."""
    found = verify_service.verify(workspace(arguments.workspace))
    if not found.ok and not arguments.json:
        raise JobError("; ".join(found.findings))
    print(json.dumps({"ok": found.ok, "checked": found.checked, "findings": found.findings}, indent=None))
    sys.exit(0 if found.ok else 1)


def settle(arguments: Arguments) -> object:
    """``kd settle``."""
    verify_service.refuse_elsewhere(workspace(arguments.workspace))
    with open_workspace(arguments) as app:
        return {"settled": verify_service.settle(app, arguments.by, arguments.why)}


def _settle_options(parser: Parser) -> None:
    parser.add_argument("--by", required=True, metavar="NAME", help="who answers for it")
    parser.add_argument("--why", required=True, help="what became of what is missing, in a sentence")


def backup(arguments: Arguments) -> object:
    """``kd backup``."""
    return backup_service.backup(workspace(arguments.workspace), Path(arguments.file))


def restore(arguments: Arguments) -> object:
    """``kd restore``."""
    return backup_service.restore(Path(arguments.file), workspace(arguments.workspace).root)


def _backup_options(parser: Parser) -> None:
    parser.add_argument("file", help="the backup, a .tar.gz")


COMMANDS = (
    Command("doctor", "say what is installed, which engine answers, and what would fail", doctor),
    Command("setup", "install what this machine can run, and fetch the built-in models", setup),
    Command("demo", "run the main job on real models: seeds to a compared student", demo, _demo_options),
    Command("ui", "start the app in the browser", ui, _ui_options),
    Command("rebuild", "make the database anew from run folders and decisions", rebuild),
    Command("verify", "check that nothing was changed, cut or lost since it was written", verify),
    Command(
        "settle", "answer for damage that verify found, so that it is not shown any more", settle, _settle_options
    ),
    Command("backup", "pack everything that can't be made again into one checked file", backup, _backup_options),
    Command("restore", "make a new workspace from a backup", restore, _backup_options),
)
