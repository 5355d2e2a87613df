"""The app side starts light: importing it loads no model library."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

HEAVY = ("torch", "transformers", "vllm", "sentence_transformers", "umap", "sklearn", "numba")


@pytest.mark.parametrize("module", ["kdcore.ui.frame", "kdcore.services.main_job", "kdcore.cli"])
def test_importing_the_app_side_loads_nothing_heavy(module):
    code = f"import sys, {module}; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_workers_know_neither_streamlit_nor_duckdb():
    code = (
        "import sys, kdcore.workers.distill.mixture, kdcore.workers.generate.job; "
        "import kdcore.workers.embed, kdcore.workers.evaluate; "
        "print([m for m in ('streamlit', 'duckdb', 'plotly') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().splitlines()[-1] == "[]"


def test_a_training_starts_without_scikit_learn_and_nobody_else_is_told():
    code = "import sys, kdcore.workers; print(sys.modules.get('sklearn', 'free'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "free"
    as_worker = [sys.executable, "-v", "-m", "kdcore.workers.distill", "no such folder"]
    seen = subprocess.run(as_worker, capture_output=True, text=True, check=False).stderr
    assert "import 'transformers'" in seen and "import 'sklearn'" not in seen


@pytest.mark.parametrize("name", sorted(p.stem for p in (ROOT / "tests/bench").glob("*.py") if p.stem != "__init__"))
def test_every_benchmark_still_finds_what_it_measures(name):
    subprocess.run([sys.executable, "-c", f"import tests.bench.{name}"], cwd=ROOT, check=True)
