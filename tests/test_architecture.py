"""Who may import whom, read from the imports themselves. DESIGN §2 and ADR 4 say why."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
BASE = {"types", "errors", "settings", "ids", "models", "hardware", "configs"}
# package → packages of ours it may import, besides the base and itself
MAY = {
    "configs": set(),
    "jobs": set(),
    "elicitation": set(),
    "teacher": set(),
    "explore": set(),
    "filters": set(),
    "distill": {"jobs.run_dir"},
    "evaluate": set(),
    "governance": set(),
    "exporters": set(),
    "store": {"jobs"},
    "services": {
        *("store", "exporters", "jobs", "elicitation", "filters", "governance"),
        *("distill.losses", "evaluate.metrics"),
    },
    "ui": {"services", "elicitation", "exporters", "filters", "distill.losses", "store.samples", "jobs.run_dir"},
    "cli": {"cli_commands", "cli_elicit", "cli_tables"},
    "cli_shared": {"services"},
    "cli_commands": {"services", "filters", "ui.launch", "cli_shared"},
    "cli_elicit": {"services", "elicitation", "cli_shared"},
    "cli_tables": {"elicitation", "exporters", "filters", "distill.losses"},
    "workers": {"distill", "evaluate", "explore", "filters", "teacher", "elicitation", "jobs"},
    "pages": {"services", "ui"},
    "app": {"services", "ui"},
}
HEAVY = {"torch", "transformers", "vllm", "sentence_transformers", "umap", "sklearn", "peft", "accelerate"}
LIGHT_SIDE = {
    "services",
    "ui",
    "store",
    "exporters",
    "jobs",
    "elicitation",
    "governance",
    "configs",
    "pages",
    "app",
    "cli",
    "cli_commands",
    "cli_elicit",
    "cli_shared",
    "cli_tables",
}


def sources():
    yield ROOT / "app.py"
    yield from sorted((ROOT / "pages").glob("*.py"))
    yield from sorted((ROOT / "kdcore").rglob("*.py"))


def package_of(path: Path) -> str:
    parts = path.relative_to(ROOT).parts
    if parts[0] == "kdcore":
        return "__init__" if parts[1] == "__init__.py" else parts[1].removesuffix(".py")
    return parts[0].removesuffix(".py")


def imports_of(path: Path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            if node.module.startswith("kdcore") and node.module.count(".") <= 1:
                yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: str(p.relative_to(ROOT)))
def test_arrows_point_down(path):
    own = package_of(path)
    allowed = MAY.get(own, set())
    for name in imports_of(path):
        parts = name.split(".")
        if parts[0] != "kdcore" or len(parts) == 1 or name == "kdcore.__version__":
            continue
        target = parts[1]
        if target in BASE or target == own:
            continue
        ok = any(
            ".".join(parts[1:]).startswith(a) or (target == a.split(".")[0] and len(parts) == 2) for a in allowed
        )
        assert ok, f"{path.relative_to(ROOT)} may not import {name}"


@pytest.mark.parametrize(
    "path", [p for p in sources() if package_of(p) in LIGHT_SIDE], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_app_side_never_imports_a_heavy_library(path):
    assert not {name.split(".")[0] for name in imports_of(path)} & HEAVY


@pytest.mark.parametrize("path", list(sources()), ids=lambda p: str(p.relative_to(ROOT)))
def test_streamlit_and_duckdb_stay_in_their_rooms(path):
    roots = {name.split(".")[0] for name in imports_of(path)}
    if "streamlit" in roots:
        assert package_of(path) in {"ui", "pages", "app"}
    if "duckdb" in roots:
        assert package_of(path) == "store"


def test_pages_are_thin_and_stand_alone():
    for path in (ROOT / "pages").glob("*.py"):
        text = path.read_text()
        assert len(text.splitlines()) <= 120, path
        first = next(
            line
            for line in text.splitlines()
            if line and not line.startswith(("import", "from", " ", ")")) and " = " not in line
        )
        assert first.startswith("with frame.page("), f"{path.name} must open with frame.page"


def test_files_stay_small():
    long = {str(p.relative_to(ROOT)): n for p in sources() if (n := len(p.read_text().splitlines())) > 330}
    assert not long


def test_sql_is_written_in_the_store_alone():
    """A string that begins like a statement, anywhere else, is a second home for the same tables."""
    words = ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "WITH ")
    found = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in sources()
        if "store" not in path.relative_to(ROOT).parts
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value.startswith(words)
    ]
    assert found == []
