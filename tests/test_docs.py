"""What the documents say exists, exists; what the tables hold is documented."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kdcore.cli import main
from kdcore.cli.program import build_parser
from kdcore.elicitation import METHODS
from kdcore.exporters import EXPORTERS
from kdcore.filters import FILTERS

ROOT = Path(__file__).resolve().parents[1]
DOCS = [
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *(str(p.relative_to(ROOT)) for p in (ROOT / "docs").rglob("*.md")),
]


def commands() -> dict:
    actions = build_parser()._subparsers._group_actions
    return actions[0].choices


@pytest.mark.parametrize("name", sorted(commands()))
def test_every_command_has_help_and_is_in_the_readme(name):
    assert commands()[name].description
    assert f"`kd {name}" in (ROOT / "docs/command-line.md").read_text()


@pytest.mark.parametrize("name", DOCS)
def test_every_path_and_make_target_in_a_document_exists(name):
    text = (ROOT / name).read_text()
    targets = set(re.findall(r"^([a-z-]+%?):", (ROOT / "Makefile").read_text(), re.M))
    for target in re.findall(r"`make ([a-z]+(?:-[a-z]+)?)`", text):
        assert target in targets or target.startswith("bench-"), target
        if target.startswith("bench-"):
            assert (ROOT / "tests" / "bench" / f"{target[6:]}.py").exists(), target
    for path in re.findall(r"`((?:kdcore|tests|pages|docs|data|tools)/[\w./*-]+)`", text):
        assert list(ROOT.glob(path.rstrip("/"))), f"{name} speaks of {path}"
    for link in re.findall(r"\]\((?!http)([^)#]+)\)", text):
        assert (ROOT / name).parent.joinpath(link).exists(), f"{name} links to {link}"


def test_tables_agree_and_every_entry_says_what_it_is():
    for name, method in METHODS.items():
        assert method.name == name == method.template.method
        assert method.summary and method.source and method.warning
    for name, item in {**FILTERS, **EXPORTERS}.items():
        assert item.name == name
        assert item.summary


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["generate", "--project", "none"], 2, "there is no project"),
        (["demo", "--rows", "2"], 2, "expected 4 to 120"),
        (["elicit", "lenght", "--project", "x"], 2, "unknown method"),
        (["export", "ds_x", "--format", "docx", "--out", "x"], 2, "unknown format"),
        (["evaluate", "run-x"], 2, "there is no run"),
        (["import", "none.csv", "--project", "P"], 2, "there is no file"),
    ],
)
def test_wrong_input_is_one_sentence_and_exit_2(arguments, code, word, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main([*arguments, "--workspace", str(tmp_path), "--json"])
    assert ended.value.code == code
    said = capsys.readouterr()
    assert word in said.err
    assert said.err.strip().count("\n") == 0
    assert said.out == ""


def test_the_command_is_a_program(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "kdcore.cli", "generate", "--project", "none", "--workspace", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("name", ["methods", "losses", "measures", "filters", "exporters"])
def test_tables_print_json(name, capsys):
    main([name, "--json"])
    assert json.loads(capsys.readouterr().out)[name]


def test_nothing_here_speaks_of_one_machine():
    pattern = re.compile(r"/(?:root|home|tmp|work)/[a-z]")
    for path in [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "kdcore").rglob("*.py"),
        *(ROOT / "pages").glob("*.py"),
    ]:
        assert not pattern.search(path.read_text()), path
