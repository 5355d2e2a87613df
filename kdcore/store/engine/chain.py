"""One line of the log of decisions: numbered, chained to the one before, its texts beside what the chain covers."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Sequence
from typing import Any, cast

from kdcore.errors import DataError
from kdcore.records.decisions import AnyDecision, texts_of

FIRST = "0" * 64  # what the first line has in place of an earlier one's hash
UNKNOWN = ""  # the hash of a damaged line
_DIGEST = "sha256:"


def encode(number: int, previous: str, body: dict[str, Any], texts: dict[str, list[str] | None]) -> tuple[bytes, str]:
    """A line and its hash. ``body`` has digests where ``texts`` has ``[salt, text]``."""
    digest = hash_of(number, previous, body)
    line = {"n": number, "prev": previous, "hash": digest, "body": body, "texts": texts}
    return _json(line) + b"\n", digest


def seal(decision: AnyDecision) -> tuple[dict[str, Any], dict[str, list[str] | None]]:
    """Part a record into what the chain covers and the texts beside it."""
    body = decision.model_dump(mode="json")
    texts: dict[str, list[str] | None] = {}
    for name in decision.TEXTS:
        if isinstance(body.get(name), str):
            salt = secrets.token_hex(16)
            texts[name] = [salt, body[name]]
            body[name] = _digest(salt, body[name])
    return body, texts


def decode(line: bytes) -> tuple[int, str, str, dict[str, Any]]:
    """Number, hash before, hash and the record with its texts. Raises DataError with what is wrong."""
    try:
        found = json.loads(line)
        number, previous, body, texts = (found[name] for name in ("n", "prev", "body", "texts"))
        again, digest = encode(number, previous, body, texts)
        parted = texts_of(body["kind"])
    except (ValueError, KeyError, TypeError, RecursionError) as exc:
        raise DataError("it is no record") from exc
    if again != line.rstrip(b"\n") + b"\n" or type(number) is not int or type(previous) is not str:
        raise DataError("it is not as it was written")
    return number, previous, digest, _whole(body, texts, parted)


def _whole(body: dict[str, Any], texts: Any, parted: Sequence[str]) -> dict[str, Any]:
    """The record with its texts back in place; ``parted`` are the fields that stand apart where they are text."""
    wanted = {name for name in parted if isinstance(body.get(name), str)}
    if not isinstance(texts, dict) or texts.keys() - wanted:
        raise DataError("its texts are not as they were written")
    whole = dict(body)
    for name in parted:
        if name not in wanted:
            continue
        kept: Any = cast("dict[str, Any]", texts).get(name)
        if kept is None:
            raise DataError(f"its {name} is missing")
        if not _is_salted(kept) or _digest(*kept) != body[name]:
            raise DataError(f"its {name} is not as it was written")
        whole[name] = kept[1]
    return whole


def _is_salted(kept: Any) -> bool:
    """Whether it is ``[salt, text]``."""
    return isinstance(kept, list) and [type(part) for part in cast("list[Any]", kept)] == [str, str]


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode()


def hash_of(number: int, previous: str, body: dict[str, Any]) -> str:
    """The sha256 of what the chain covers of a line."""
    return hashlib.sha256(_json([number, previous, body])).hexdigest()


def _digest(salt: str, text: str) -> str:
    return _DIGEST + hashlib.sha256(f"{salt}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()
