"""Who may import whom, read from the imports themselves and from the lists in docs/architecture.md."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PICTURE = (ROOT / "docs" / "architecture.md").read_text()


def listed(name: str) -> list[list[str]]:
    """The words of each line of a fenced list in the picture."""
    found = re.search(rf"```{name}\n(.*?)```", PICTURE, re.S)
    assert found, f"docs/architecture.md has no list of {name}"
    return [line.split() for line in found[1].splitlines() if line.strip()]


MAY = {room: set(rest) for room, *rest in listed("imports")}
GROUND = MAY.pop("ground")
LADDER = listed("ladder")[0]
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
    "records",
    "pages",
    "app",
    "cli",
}
MAX_MODULES = 16


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
            if node.module.startswith("kdcore"):
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
        if target in GROUND or target == own:
            continue
        inner = ".".join(parts[1:])
        ok = any(f"{inner}.".startswith(f"{a}.") or (target == a.split(".")[0] and inner == target) for a in allowed)
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
        if path.name.startswith("0_"):
            continue  # the script that draws the menu; the page in it opens with the same line
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


@pytest.mark.parametrize(
    "path", [p for p in sources() if package_of(p) == "distill"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_the_ladder_is_climbed_from_the_left(path):
    rung = path.relative_to(ROOT / "kdcore" / "distill").parts[0]
    if rung not in LADDER:
        return  # the package's own __init__
    below = set(LADDER[: LADDER.index(rung) + 1])
    used = {name.split(".")[2] for name in imports_of(path) if name.startswith("kdcore.distill.")}
    assert used <= below, f"{path.relative_to(ROOT)} reaches up to {sorted(used - below)}"


def test_the_picture_names_every_room_and_rung():
    rooms = {package_of(path) for path in sources()} - {"__init__"}
    assert rooms - GROUND == set(MAY) - GROUND
    assert {p.name for p in (ROOT / "kdcore" / "distill").iterdir() if p.is_dir() and p.name != "__pycache__"} == set(
        LADDER
    )


def test_a_folder_can_be_read_at_a_glance():
    counts = {
        folder: sum(p.name not in ("__init__.py", "__main__.py") for p in folder.glob("*.py"))
        for folder in {p.parent for p in (ROOT / "kdcore").rglob("*.py")}
    }
    assert {str(f.relative_to(ROOT)): n for f, n in counts.items() if n > MAX_MODULES} == {}


def test_imports_make_no_circle():
    """Of modules; a function-level import counts too."""
    names = {".".join(p.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): p for p in sources()}
    arrows = {name: {i for i in imports_of(path) if i in names and i != name} for name, path in names.items()}
    done: set[str] = set()

    def visit(name: str, trail: tuple[str, ...]) -> None:
        assert name not in trail, " → ".join([*trail[trail.index(name) :], name])
        if name not in done:
            for target in sorted(arrows[name]):
                if names[target].name != "__init__.py" or not name.startswith(target):
                    visit(target, (*trail, name))
            done.add(name)

    for name in names:
        visit(name, ())
