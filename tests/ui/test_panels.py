"""Every panel by itself, on a workspace with rows, a map, a version and a failed training, draws what it is for."""

import importlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from kdcore.configs.distillation import DistillConfig, SliceConfig
from kdcore.configs.selection import EVERYTHING
from kdcore.elicitation import METHODS
from kdcore.explore.vector_file import VectorFile
from kdcore.jobs.run_dir import RunDir, write_json
from kdcore.records.status import Status
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill.input import Part, write_input
from kdcore.services.explore import samples as explore_samples
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import drafts
from kdcore.services.workspace import App, open_app
from kdcore.store import samples
from kdcore.ui import filter_bar, frame, new_project, sample_card, shell, teacher_form
from kdcore.ui.datasets import probabilities, versions
from kdcore.ui.distill import curves, export, recipe, reward_model, rounds, rows, sweep, terms
from kdcore.ui.elicit import gallery, passages, prompt, seeds, trial
from kdcore.ui.evaluate import comparison
from kdcore.ui.explore import actions, concepts, duplicates, groups, saved_views, side, sql, table, tabs
from kdcore.ui.generate import coverage, routing, run, views
from kdcore.ui.review import editor, reviewer
from tests.conftest import PLAIN, SCRIPTED, import_questions

ROWS = 12
MAP = "embed-20260101-000000-aaaa"
TRAINED = "distill-20260101-000000-aaaa"


def draw_map(app: App, project: str) -> None:
    ids = samples.keys(app.store, project, EVERYTHING)
    vectors = np.eye(4)[np.arange(len(ids)) % 2].astype(np.float32)
    made = RunDir.create(app.folders.runs, MAP, {"project_id": project, "text": "answer"})
    flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), 4)
    pq.write_table(pa.table({"sample_id": ids, "vector": flat}), made.path / "vectors.parquet")
    assert VectorFile(made.path).ids == ids
    clusters = np.arange(len(ids), dtype=np.int32) % 2
    places = {"sample_id": ids, "x": vectors[:, 0], "y": vectors[:, 1], "cluster": clusters}
    pq.write_table(pa.table(places), made.path / "placements.parquet")
    titles = [{"cluster": i, "title": f"Group {i}", "size": 6, "parent": 0, "parent_title": "All"} for i in (0, 1)]
    write_json(made.path / "clusters.json", titles)
    made.write_status(Status("done", epoch=1), durable=True)


@pytest.fixture(scope="module")
def there(tmp_path_factory) -> dict:
    """What panels are handed, by the names of their arguments; the panels change nothing."""
    root = tmp_path_factory.mktemp("panels") / "ws"
    app = open_app(root)
    project = projects.create_project(app, "Hearts", "medicine")
    import_questions(app, project, root.parent, ROWS)
    asked = projects.save_prompt_version(app, project, "First", METHODS["direct"].template)
    made = generation_runs.start_run(app, project, asked, SCRIPTED, PLAIN)
    assert app.wait(made.run_id).state == "done"
    draw_map(app, project)
    version = dataset_versions.freeze(app, project, "D", heldout_share=0.3)
    config = DistillConfig(project_id=project, name="S", slices=(SliceConfig(dataset_id=version["dataset_id"]),))
    trained = RunDir.create(app.folders.runs, TRAINED, config.model_dump(mode="json"))
    trained.write_status(Status("failed", epoch=1, message="the disk was full"))
    write_input(app, trained.path / "input.parquet", [Part(version["dataset_id"])], "scripted")
    app.tick()
    first = samples.keys(app.store, project, EVERYTHING)[0]
    found = {
        **{"root": str(root), "project_id": project, "run_id": made.run_id, "map_run": MAP, "selection": EVERYTHING},
        **{
            "version": dataset_versions.list_datasets(app, project)[0],
            "sample": samples.by_ids(app.store, [first])[0],
        },
        **{"view": explore_samples.view(app, project, EVERYTHING, 0, 10, "created", False), "page_size": 10},
        **{"prompt_versions": projects.prompt_versions(app, project), "template": METHODS["direct"].template},
    }
    app.close()
    return found


NOTHING = ""  # a panel with nothing to say here: no reward model was trained, no terms wait
Panel = Callable[[App, dict], object]
# module.function → how it is called, and words that it shows
PANELS: dict[str, tuple[Panel, str]] = {
    "datasets.versions.rows": (lambda app, t: versions.rows(app, t["version"]), "heldout"),
    "datasets.versions.freeze": (lambda app, t: versions.freeze(app, t["project_id"], t["selection"]), "Freeze"),
    "datasets.probabilities": (lambda app, t: probabilities.token_probabilities(app, t["version"]), "probabilit"),
    "distill.curves": (
        lambda app, t: curves.curves_panel(app, t["project_id"], TRAINED, []),
        "The first point comes with the first step",
    ),
    "distill.export": (lambda app, t: export.export_student(app, TRAINED), "once the training has ended"),
    "distill.recipe": (lambda app, t: recipe.recipe(app, t["project_id"], [t["version"]]), "Loss"),
    "distill.reward_model": (lambda app, t: reward_model.reward_figures(app, TRAINED), NOTHING),
    "distill.rounds": (lambda app, t: rounds.rounds_panel(app, t["project_id"]), "self-knowledge"),
    "distill.rows": (lambda app, t: rows.rows_panel(app, TRAINED), "No rows are known of this step"),
    "distill.sweep": (lambda app, t: sweep.compare_panel(app, []), "No sweep yet"),
    "distill.terms": (lambda app, t: terms.undecided(app, t["project_id"], [t["version"]["dataset_id"]]), NOTHING),
    "elicit.gallery": (lambda app, t: gallery.gallery(app, t["project_id"]), "ecipe"),
    "elicit.passages": (
        lambda app, t: passages.reader(app, t["run_id"], [{"passage": "The tenant pays.", "heading": "Rent"}]),
        "The tenant pays.",
    ),
    "elicit.prompt": (lambda app, t: prompt.editor(app, t["project_id"]), "System"),
    "elicit.seeds": (lambda app, t: seeds.data_class(app, t["project_id"]), "data"),
    "elicit.trial": (lambda app, t: trial.trial(app, t["project_id"], t["template"]), "Suggest a better wording"),
    "evaluate.comparison": (lambda app, t: comparison.new_run(app, {TRAINED: "First student"}), "ompare"),
    "explore.actions": (lambda app, t: actions.search(app, t["project_id"], t["map_run"]), "Search by meaning"),
    "explore.concepts": (lambda app, t: concepts.concept_list(app, t["project_id"], MAP, t["selection"]), "oncept"),
    "explore.duplicates": (
        lambda app, t: duplicates.duplicate_pairs(app, t["project_id"], t["selection"]),
        "uplicate",
    ),
    "explore.groups": (lambda app, t: groups.group_list(app, t["project_id"], t["map_run"]), "Group 0"),
    "explore.saved_views": (lambda app, t: saved_views.views_menu(app, t["project_id"]), "view"),
    "explore.side": (
        lambda app, t: side.side(app, t["project_id"], MAP, t["selection"], t["view"], []),
        "all-accept",
    ),
    "explore.sql": (lambda app, t: sql.query_and_rows(app, t["project_id"]), "Query"),
    "explore.table": (lambda app, t: table.table(app, t["view"], t["page_size"]), "Answer 0 to"),
    "explore.tabs": (
        lambda app, t: tabs.open_tab(app, t["project_id"], MAP, t["selection"], t["view"], t["page_size"]),
        "Duplicates",
    ),
    "filter_bar": (lambda app, t: filter_bar.menu({"topic": ["law", "medicine"]}, [], []), "Find text"),
    "generate.coverage": (lambda app, t: coverage.coverage_grid(app, t["project_id"]), "Usable rows"),
    "generate.routing": (
        lambda app, t: routing.routes(app, t["project_id"], {t["run_id"]: "A run"}),
        "Send each part to its best",
    ),
    "generate.run": (lambda app, t: run.rows_of_run(app, t["project_id"], t["run_id"]), f"{ROWS}"),
    "generate.views": (lambda app, t: views.monitor(app, t["project_id"], t["run_id"]), "stand alone"),
    "new_project": (lambda app, t: new_project.form(app), "Create"),
    "review.editor": (lambda app, t: waiting(app, t["sample"]), "You have a draft of this answer"),
    "review.reviewer": (lambda app, t: reviewer.reviewer(app, t["project_id"], t["selection"]), "Accept"),
    "sample_card": (lambda app, t: sample_card.body(t["sample"]), "Answer 0 to"),
    "teacher_form": (lambda app, t: teacher_form.choose("direct"), "Engine"),
}


def waiting(app, sample):
    drafts.keep(app, sample["sample_id"], shell.reviewer(), {"answer": "half a sen"}, "rev")
    editor.waiting_draft(app, sample)


def _script(root: str, name: str, there: dict) -> None:
    from kdcore.ui import frame
    from tests.ui.test_panels import PANELS

    PANELS[name][0](frame.open_app(root), there)


@pytest.fixture(scope="module", autouse=True)
def _closed(there):
    yield
    frame.open_app(there["root"]).close()
    st.cache_resource.clear()


@pytest.mark.parametrize("name", PANELS)
def test_a_panel_draws_what_it_is_for(there, monkeypatch, name):
    monkeypatch.setattr(shell, "link", lambda page, label, **params: st.markdown(label))  # no pages here to lead to
    args = {"root": there["root"], "name": name, "there": there}
    at = AppTest.from_function(_script, kwargs=args, default_timeout=30)
    at.session_state["project_id"] = there["project_id"]
    at.run()
    assert not at.exception, at.exception
    words = PANELS[name][1]
    shown = str(at.main) + "".join(str(each.value.to_dict()) for each in at.dataframe)
    said = [*at.markdown, *at.caption, *at.info, *at.warning, *at.subheader]
    shown += "".join(str(each.value) for each in said) + "".join(str(each.proto) for each in at.get("html"))
    if words == NOTHING:
        assert not said and len(at.main.children) == 0, shown[:2000]
    assert words in shown, shown[:2000]


def test_every_panel_of_a_stage_is_tried():
    folder = Path(frame.__file__).parent
    there = {f"{path.parent.name}.{path.stem}" for path in folder.glob("*/*.py") if path.stem != "__init__"}
    tried = {".".join(name.split(".")[:2]) for name in PANELS}
    tried |= {
        "distill.presets",
        "explore.map",
        "explore.map_chart",
        "distill.training_chart",
    }  # no panels of their own, or on the pages
    assert there - tried == set()


def test_every_module_of_the_app_can_be_imported_alone():
    for path in sorted(Path(frame.__file__).parent.rglob("*.py")):
        parts = path.relative_to(Path(frame.__file__).parents[2]).with_suffix("").parts
        importlib.import_module(".".join(parts).removesuffix(".__init__"))
