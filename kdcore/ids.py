"""Deterministic ids: the same input has the same id on every machine, so that nothing is made twice."""

from __future__ import annotations

import hashlib
import json
import secrets
import time
from typing import Any


def canonical_json(value: Any) -> str:
    """Serialise so that equal values give equal bytes (sorted keys, no spaces)."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def stable_hash(*parts: Any, length: int = 20) -> str:
    """Hash any JSON-able parts to ``length`` hex digits (4 bits each)."""
    digest = hashlib.sha256(canonical_json(list(parts)).encode("utf-8", "replace"))
    return digest.hexdigest()[:length]


def content_hash(text: str) -> str:
    """Identify a text by its content: the key of the embedding cache."""
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:32]


def prompt_version_id(content: dict[str, Any]) -> str:
    """Identify a template by all that changes what is sent or how the reply is read."""
    return "pv_" + stable_hash("prompt", content, length=16)


def seed_id(project_id: str, kind: str, text: str, source: str, fields: dict[str, str]) -> str:
    """Identify an imported row by all that a prompt can show of it: importing a file twice adds nothing."""
    return "sd_" + stable_hash("seed", project_id, kind, text, source, fields, length=16)


GROUP_JOIN = " ∪ "


def group_key(group: str, source: str, seed: str) -> str:
    """What must stay on one side of a split: the given group, else the source passage, else the seed."""
    return group or (f"source {content_hash(source)[:12]}" if source else seed)


def groups_of(key: str) -> list[str]:
    """The groups of a row; a row made of two seeds belongs to both of theirs."""
    return key.split(GROUP_JOIN)


def request_id(version: str, seed: str, params: dict[str, Any], index: int) -> str:
    """``hash(prompt version, seed, params, index)``."""
    return "rq_" + stable_hash("request", version, seed, params, index)


def sample_id(request: str, teacher_fingerprint: str, sampling: dict[str, Any], n: int) -> str:
    """``hash(request_id, teacher fingerprint, sampling, n)``: the thread through the whole product."""
    return "sm_" + stable_hash("sample", request, teacher_fingerprint, sampling, n)


def new_run_id(kind: str) -> str:
    """Name a run so that folders sort by time: ``generate-20261124-031500-a1b2``."""
    return f"{kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}-{secrets.token_hex(2)}"


def new_event_id() -> str:
    """Mint an idempotency key when a form is drawn; applying a key twice changes nothing."""
    return f"ev_{time.time_ns():x}{secrets.token_hex(4)}"
