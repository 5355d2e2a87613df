"""A student made ready to take away: a folder of safetensors, or one GGUF file; its card beside it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from kdcore.configs.distillation import ExportStudentConfig
from kdcore.distill.student.gguf import write_gguf
from kdcore.jobs.reporter import Reporter
from kdcore.jobs.run_dir import RunDir
from kdcore.workers.base import run_worker


def work(run: RunDir, reporter: Reporter) -> None:
    """The copy has its name only once it is whole."""
    config = run.load(ExportStudentConfig)
    student = Path(config.student_path)
    scratch, target = run.path / ".copy.tmp", run.path / "copy"
    shutil.rmtree(scratch, ignore_errors=True)
    reporter.phase("writing the student")
    if config.form == "gguf":
        scratch.mkdir()
        file = re.sub(r"[^\w.-]+", "-", config.name).strip("-") or "student"
        write_gguf(student, scratch / f"{file}-f16.gguf", config.name, config.description, config.licence)
    else:
        shutil.copytree(student, scratch)
    shutil.copy(run.path / "README.md", scratch / "README.md")
    shutil.rmtree(target, ignore_errors=True)
    scratch.rename(target)
    reporter.conclude(f"{sum(f.stat().st_size for f in target.iterdir()) / 1e6:.0f} MB in {target}")


if __name__ == "__main__":
    run_worker(work)
