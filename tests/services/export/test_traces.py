"""What leaves a workspace leaves a trace in the log, which outlives the database."""

from pathlib import Path

from kdcore.elicitation import METHODS
from kdcore.services import projects
from kdcore.services.datasets import versions
from kdcore.services.export import datasets as exports
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import open_app, rebuild
from kdcore.store import projects as store
from tests.conftest import PLAIN, SCRIPTED, import_questions


def test_an_export_says_who_took_what_in_which_form(tmp_path: Path):
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "P")
    import_questions(app, project, tmp_path, 6)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    assert app.wait(generation_runs.start_run(app, project, version, SCRIPTED, PLAIN).run_id).state == "done"
    frozen = versions.freeze(app, project, "D")["dataset_id"]
    exports.archive(app, frozen, "csv", who="Dr A")
    exports.log_export(app, frozen, "alpaca", 6, "cli", "/data/out")
    told = [
        {"what": frozen, "form": "alpaca", "rows": 6, "target": "/data/out", "who": "cli"},
        {"what": frozen, "form": "csv", "rows": 6, "target": "download", "who": "Dr A"},
    ]
    found = [{k: v for k, v in event.items() if k != "created"} for event in store.exports(app.store, project)]
    assert found == told
    app.close()
    rebuild(tmp_path / "ws")
    again = open_app(tmp_path / "ws")
    found = [{k: v for k, v in event.items() if k != "created"} for event in store.exports(again.store, project)]
    assert found == told and again.problems == []
    again.close()
