"""The training worker on a machine that has nothing but what a training needs."""

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from kdcore.services.workspace import App
from tests.workers.tiny import STEPS, losses, start, tiny

__all__ = ["tiny"]
pytestmark = pytest.mark.models
NEEDED = ("torch", "transformers", "accelerate", "peft", "pyarrow", "pydantic")
ROOT = Path(__file__).parents[2]


def _with_what_they_need(names: tuple[str, ...]) -> set[str]:
    """Distributions that are installed with some, as pip would choose them."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop().lower().replace("_", "-")
        if name in found:
            continue
        found.add(name)
        for line in metadata.requires(name) or []:
            needed = Requirement(line)
            if needed.marker is None or needed.marker.evaluate({"extra": ""}):
                waiting.append(needed.name)
    return found


def _alone(folder: Path, names: set[str]) -> None:
    """A folder of links to the files of some distributions, and to nothing else."""
    for name in names:
        distribution = metadata.distribution(name)
        for top in {file.parts[0] for file in distribution.files or []} - {"..", "__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(distribution.locate_file(top))))


def test_it_needs_six_packages_and_the_run_folder(app: App, tiny: Path, tmp_path: Path):
    packages = tmp_path / "packages"
    packages.mkdir()
    _alone(packages, _with_what_they_need(NEEDED))
    run = start(app, tiny, "bare", launch=False)
    bare = os.environ | {"PYTHONPATH": f"{packages}{os.pathsep}{ROOT}"}
    absent = (
        "import importlib.util as u; print([n for n in ('duckdb', 'streamlit', 'sklearn', 'trl') if u.find_spec(n)])"
    )
    seen = subprocess.run([sys.executable, "-S", "-c", absent], env=bare, capture_output=True, text=True, check=True)
    assert seen.stdout.strip() == "[]"
    worker = [sys.executable, "-S", "-m", "kdcore.workers.distill", str(run.path)]
    ended = subprocess.run(worker, env=bare, capture_output=True, text=True, timeout=240)
    assert ended.returncode == 0, ended.stderr[-2000:]
    assert run.status().state == "done" and max(losses(run)) == STEPS
    assert (run.path / "student" / "model.safetensors").exists()
