"""A workspace with something of every kind, made once; tests damage copies of it."""

from pathlib import Path

import pytest

from kdcore.configs.selection import EVERYTHING
from kdcore.elicitation import METHODS
from kdcore.services import projects
from kdcore.services.datasets import versions
from kdcore.services.explore import tags
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions, drafts
from kdcore.services.workspace import open_app
from tests.conftest import PLAIN, SCRIPTED, import_questions


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Path:
    """A workspace with something of every kind."""
    folder = tmp_path_factory.mktemp("made")
    app = open_app(folder / "ws")
    project = projects.create_project(app, "P")
    import_questions(app, project, folder, 12)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    first, second, *_ = decisions.queue(app, project)
    decisions.decide(app, first, "accept", "Dr A")
    decisions.decide(app, second, "edit", "Dr A", answer="Mended.")
    tags.tag(app, project, EVERYTHING, "dose", "Dr A")
    drafts.keep(app, first, "Dr A", {"answer": "half a", "time": 1.0}, "rev")
    versions.freeze(app, project, "D", heldout_share=0.2)
    app.close()
    return folder / "ws"
