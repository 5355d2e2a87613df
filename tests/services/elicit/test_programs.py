"""Programs that came with a file: nothing of them runs before a person has said yes to these very texts."""

import json
from pathlib import Path

import pytest

from kdcore.configs.teacher import TeacherConfig
from kdcore.elicitation import METHODS, sandbox
from kdcore.errors import ConfigError
from kdcore.services import projects
from kdcore.services.elicit import imports, programs, trial
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App, open_app, rebuild
from tests.conftest import PLAIN

GOOD = "```python\ndef f(x):\n    return x + 1\n```"


def scripted(answer: str) -> TeacherConfig:
    return TeacherConfig(engine="scripted", model="scripted", script={"answer": answer})


def brought(app: App, folder: Path, tests: list[str], method: str = "code_with_tests") -> tuple[str, str]:
    project = projects.create_project(app, "P")
    file = folder / "pairs.jsonl"
    lines = [{"question": f"Write f number {i}, which adds 1.", "tests": text} for i, text in enumerate(tests)]
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    run = imports.read_file(app, project, file, file.name, "question", {"text": "question"})
    assert app.wait(run.run_id).state == "done"
    return project, projects.save_prompt_version(app, project, "v", METHODS[method].template)


def test_programs_of_a_file_wait_for_a_yes_and_more_of_them_for_another(app: App, tmp_path: Path):
    project, version = brought(app, tmp_path, ["assert f(1) == 2", "assert f(2) == 3", "assert f(1) == 2"])
    method, teacher = METHODS["code_with_tests"], scripted(GOOD)
    requests = trial.requests_for(app, project, method.template, None)
    with pytest.raises(ConfigError, match='"tests" of your rows holds 2 programs that would run here'):
        generation_runs.start_run(app, project, version, teacher, PLAIN)
    with pytest.raises(ConfigError, match="2 programs"):
        trial.start(app, project, method.template, teacher, PLAIN)
    waiting = programs.waiting(app, project, method, requests)
    assert sorted(waiting) == ["assert f(1) == 2", "assert f(2) == 3"]
    with pytest.raises(ConfigError, match="say who"):
        programs.allow(app, project, waiting, " ")
    programs.allow(app, project, waiting[:1], "Dr A")
    with pytest.raises(ConfigError, match="1 program that"):
        generation_runs.start_run(app, project, version, teacher, PLAIN)
    programs.allow(app, project, waiting, "Dr A")
    other = projects.create_project(app, "Other")
    assert programs.waiting(app, other, method, requests) == waiting, "a yes is of one project"
    run = generation_runs.start_run(app, project, version, teacher, PLAIN, rows=3)
    assert app.wait(run.run_id).state == "done"
    assert generation_runs.funnel(app, run.run_id)["by_status"] == {"parsed": 3}
    assert programs.waiting(app, project, METHODS["direct"], requests) == []


def test_a_yes_outlives_the_database(tmp_path: Path):
    app = open_app(tmp_path / "ws")
    project, _ = brought(app, tmp_path, ["assert f(1) == 2"])
    requests = trial.requests_for(app, project, METHODS["code_with_tests"].template, None)
    programs.allow(app, project, programs.waiting(app, project, METHODS["code_with_tests"], requests), "Dr A")
    app.close()
    rebuild(tmp_path / "ws")
    again = open_app(tmp_path / "ws")
    assert programs.waiting(again, project, METHODS["code_with_tests"], requests) == []
    again.close()


def test_where_no_program_can_be_shut_off_the_methods_stay_off(app: App, tmp_path: Path, monkeypatch):
    project, version = brought(app, tmp_path, [""], "program_of_thought")
    monkeypatch.setattr(sandbox, "refusal", lambda: "programs can't be shut off from this machine")
    with pytest.raises(ConfigError, match=r'"program_of_thought" runs programs .* and here programs can'):
        generation_runs.start_run(app, project, version, scripted("x"), PLAIN)


def test_every_method_that_runs_code_says_so(app: App):
    """``Tools.run_code`` is reached only by methods that are refused where it can't be safe."""
    folder = Path(__file__).parents[3] / "kdcore" / "elicitation"
    using = {path.stem for path in folder.rglob("*.py") if "tools.run_code(" in path.read_text()}
    assert using == {method.name for method in METHODS.values() if method.runs_code}
