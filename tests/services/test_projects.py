"""Names and versions are made once, whoever races; links that make no sense break nothing."""

import json
import threading

import pytest

from kdcore.configs.selection import (
    MOST_PATTERNS,
    All,
    AnyOf,
    ColumnIs,
    TextHas,
    from_json,
    from_url,
    to_json,
    to_url,
)
from kdcore.elicitation import METHODS
from kdcore.errors import ConfigError
from kdcore.services import projects
from kdcore.services.datasets import versions
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import App
from tests.conftest import PLAIN, SCRIPTED, import_questions


def at_once(count: int, work) -> list:
    """What ``count`` threads give back that begin together; an error is given back too."""
    gate, found = threading.Barrier(count), []

    def go(number: int) -> None:
        gate.wait()
        try:
            found.append(work(number))
        except Exception as exc:
            found.append(exc)

    threads = [threading.Thread(target=go, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_eight_sessions_make_one_project_of_a_name(app: App):
    found = at_once(8, lambda _: projects.create_project(app, "Same"))
    assert sum(isinstance(each, str) for each in found) == 1
    assert all(isinstance(each, ConfigError) for each in found if not isinstance(each, str))
    assert [project["name"] for project in projects.list_projects(app)] == ["Same"]


def test_six_sessions_freeze_and_save_under_one_name_and_each_gets_a_number(app: App, tmp_path):
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 6)
    saved = at_once(
        6,
        lambda n: projects.save_prompt_version(
            app, project, "v", METHODS["direct"].template.model_copy(update={"system": f"Wording {n}."})
        ),
    )
    numbers = sorted(each["version"] for each in projects.prompt_versions(app, project))
    assert numbers == [1, 2, 3, 4, 5, 6], saved
    run = generation_runs.start_run(app, project, saved[0], SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    frozen = at_once(6, lambda _: versions.freeze(app, project, "D"))
    assert sorted(each["version"] for each in frozen) == [1, 2, 3, 4, 5, 6]
    assert all(versions.rows_of(app, each["dataset_id"]) for each in frozen)


@pytest.mark.parametrize("run_id", ["", ".", "..", "../ws", "/", "a/../..", "x\0y", "no-such-run"])
def test_what_names_no_run_is_none(app: App, run_id: str):
    with pytest.raises(ConfigError, match="there is no run"):
        app.run_dir(run_id)


def test_a_link_of_thousands_of_patterns_is_refused_before_it_is_asked():
    many = AnyOf(parts=tuple(TextHas(query=f"(a+)+{n}", regex=True) for n in range(3000)))
    for read in (lambda: from_url(to_url(many)), lambda: from_json(to_json(many))):
        with pytest.raises(ConfigError, match="3000 of which look for a text"):
            read()
    few = All(parts=tuple(TextHas(query=str(n)) for n in range(MOST_PATTERNS)))
    assert from_url(to_url(few)) == few
    wide = AnyOf(parts=tuple(ColumnIs(column="topic", values=(str(n),)) for n in range(500)))
    with pytest.raises(ConfigError, match="500 parts"):
        from_json(json.dumps(json.loads(to_json(wide))))
