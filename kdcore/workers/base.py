"""The edge of every worker process: arguments in, reporter around the work, errors recorded in full."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdcore.configs.places import Mounts
from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.errors import KdError
from kdcore.jobs import lease
from kdcore.jobs.lease import Holder
from kdcore.jobs.reporter import Reporter, Stopped
from kdcore.jobs.run_dir import RunDir
from kdcore.models import names_hub_id
from kdcore.settings import PRIVATE, workspace
from kdcore.teacher import open_teacher, permission
from kdcore.teacher.base import Teacher

Work = Callable[[RunDir, Reporter], None]


def run_worker(work: Work, confine: Callable[[RunDir], object] | None = None) -> None:
    """Run ``work`` as this process's job; exit 0 when done or stopped as asked, 1 when failed.

    ``confine`` takes rights away before anything else is done, and before there is a second thread.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("run_dir", type=Path)
    parser.add_argument("--epoch", type=int, default=1)
    parser.add_argument("--mounts", type=Mounts.model_validate_json, default=None, help="JSON; else the workspace's")
    arguments = parser.parse_args()
    os.umask(PRIVATE)
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    signal.signal(signal.SIGTERM, _ask_to_stop(arguments.run_dir))
    run = RunDir(arguments.run_dir.resolve(), arguments.mounts or workspace().mounts)
    permission.permission.set(run.path / permission.FILE)
    try:
        _stay_at_home(run)
        if confine is not None:
            confine(run)
        with Reporter(run, arguments.epoch) as reporter:
            work(run, reporter)
    except Stopped:
        sys.exit(0)
    except KdError as exc:
        print(f"{type(exc).__name__}: {exc}", file=sys.stderr)
        sys.exit(1)
    except Exception:
        traceback.print_exc()
        sys.exit(1)


def _stay_at_home(run: RunDir) -> None:
    """Before any model library is imported: what is on this machine asks nobody whether there is a newer one."""
    if not names_hub_id(run.config()):
        os.environ.setdefault("HF_HUB_OFFLINE", "1")
        os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")


def _ask_to_stop(path: Path) -> Callable[[int, Any], None]:
    def handler(_signal: int, _frame: Any) -> None:
        RunDir(path).ask("cancel")

    return handler


@contextmanager
def teacher_on_accelerator(
    run: RunDir, reporter: Reporter, config: TeacherConfig, path: str, sampling: SamplingConfig
) -> Iterator[Teacher]:
    """An open teacher with the accelerator held while the block runs; ``path`` is its local folder, if any."""
    with on_accelerator(run, reporter):
        reporter.phase(f"loading the teacher {config.model}")
        teacher = open_teacher(config, Path(path) if path else None, sampling)
        try:
            yield teacher
        finally:
            teacher.close()


def mounts_of(run: RunDir) -> Mounts:
    """What lies outside the run folder; ``run_worker`` has seen to it."""
    return run.mounts or workspace().mounts


def on_accelerator(run: RunDir, reporter: Reporter) -> Any:
    """Hold the accelerator of the run's workspace while the block runs; queued until it is free."""

    def wait(holder: Holder) -> None:
        reporter.check_stop()
        reporter.phase(f"waiting for the accelerator, held by {holder.get('run_id') or 'another process'}", "queued")

    return lease.hold(mounts_of(run).shared, run.run_id, wait)
