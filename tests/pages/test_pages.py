"""Each page by AppTest: without a project, empty, populated, and with a run that failed."""

import json
import re
import time
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from kdcore.elicitation import METHODS
from kdcore.jobs.run_dir import RunDir
from kdcore.records.status import Status
from kdcore.resources import MAIN
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.distill.input import Part, write_input
from kdcore.services.elicit import trial
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import open_app
from kdcore.store import samples
from kdcore.ui import frame, shell
from tests.conftest import PLAIN, SCRIPTED, import_questions

ROOT = Path(__file__).resolve().parents[2]
PAGES = [f"pages/{stage.file}" for stage in shell.PAGES.values()]


@pytest.fixture
def run_page(tmp_path, monkeypatch):
    """Run a page of the app on a workspace; closes it afterwards."""
    monkeypatch.setenv("KD_WORKSPACE", str(tmp_path / "ws"))

    def run(page: str = "", /, **query: str) -> AppTest:
        at = AppTest.from_file(MAIN, default_timeout=30)
        at.session_state["reviewer"] = "Dr A"
        at = at.run()
        for name, value in query.items():
            at.query_params[name] = value
        if page:
            at = at.switch_page(Path(page).name)
            for name, value in query.items():
                at.query_params[name] = value
            at = at.run()
        assert not at.exception
        assert "Something went wrong" not in texts(at)
        return at

    yield run
    frame.open_app(str(tmp_path / "ws")).close()
    st.cache_resource.clear()


def texts(at: AppTest) -> str:
    parts = [*at.title, *at.subheader, *at.markdown, *at.caption, *at.info, *at.warning, *at.error, *at.success]
    return "\n".join(str(p.value) for p in parts) + "\n" + "\n".join(b.label for b in at.button)


@pytest.fixture
def project(tmp_path) -> str:
    app = open_app(tmp_path / "ws")
    made = projects.create_project(app, "Hearts", "medicine")
    app.close()
    return made


@pytest.fixture
def populated(tmp_path, project) -> str:
    app = open_app(tmp_path / "ws")
    import_questions(app, project, tmp_path, 20)
    version = projects.save_prompt_version(app, project, "First", METHODS["direct"].template)
    projects.save_prompt_version(
        app, project, "First", METHODS["direct"].template.model_copy(update={"system": "Be brief."})
    )
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    first = samples.keys(app.store, project, review_decisions.REVIEWABLE, sort="topic")[0]
    review_decisions.decide(app, first, "accept", "me")
    dataset_versions.freeze(app, project, "D")
    for kind in ("distill", "evaluate"):
        failed = RunDir.create(app.folders.runs, f"{kind}-20260101-000000-fail", failed_config(app, project, kind))
        failed.write_status(Status("failed", epoch=1, message="the disk was full"))
    (app.folders.runs / "distill-20260101-000000-fail" / "student").mkdir()
    (app.folders.runs / "distill-20260101-000000-fail" / "student" / "config.json").write_text("{}")
    [frozen] = dataset_versions.list_datasets(app, project)
    path = app.folders.runs / "distill-20260101-000000-fail" / "input.parquet"
    write_input(app, path, [Part(frozen["dataset_id"])], "scripted")
    app.close()
    return project


def failed_config(app, project: str, kind: str) -> dict:
    if kind == "distill":
        [version] = dataset_versions.list_datasets(app, project)
        return {"project_id": project, "name": "S", "slices": [{"dataset_id": version["dataset_id"]}]}
    return {"project_id": project, "train_run_id": "distill-20260101-000000-fail", "dataset_id": "d"}


@pytest.mark.parametrize("page", PAGES)
def test_without_a_project_a_page_offers_to_make_one(run_page, page):
    assert "reate" in texts(run_page(page))


@pytest.mark.parametrize(
    ("page", "action"),
    [
        ("pages/1_Elicit.py", "Ask the teacher"),
        ("pages/2_Generate.py", "Import seed questions"),
        ("pages/3_Explore.py", "Ask the teacher"),
        ("pages/4_Review.py", "Ask the teacher"),
        ("pages/5_Datasets.py", "No version yet"),
        ("pages/6_Distill.py", "Freeze a version"),
        ("pages/7_Evaluate.py", "Train a student"),
    ],
)
def test_an_empty_page_says_the_one_next_action(run_page, project, page, action):
    assert action in texts(run_page(page))


def test_home_tells_the_next_action(run_page, project):
    assert "Import questions" in texts(run_page())


@pytest.mark.parametrize(
    ("page", "word"),
    [
        ("pages/1_Elicit.py", "Ask the teacher"),
        ("pages/2_Generate.py", "Newest rows"),
        ("pages/3_Explore.py", "of 20 answers"),
        ("pages/4_Review.py", "Accept"),
        ("pages/5_Datasets.py", "Content hash"),
        ("pages/6_Distill.py", "the disk was full"),
        ("pages/7_Evaluate.py", "the disk was full"),
    ],
)
def test_a_populated_page_draws_and_names_failures(run_page, populated, page, word):
    assert word in texts(run_page(page))


def test_home_when_populated(run_page, populated):
    at = run_page()
    drawn = "".join(str(each.proto) for each in at.get("html"))
    numbers = re.findall(r"font-weight:600\\?\">([^<]*)<", drawn)
    assert numbers[:5] == ["20", "20", "0", "1", "20"], "questions, answers, on the map, read, in the dataset"
    assert "See why the comparison failed" in texts(at), "before anything new is begun"


def test_review_by_buttons_counts_undoes_and_survives_a_new_session(run_page, populated):
    at = run_page("pages/4_Review.py")
    at.button(key="review.reject").click().run()
    at.button(key="review.skip").click().run()
    assert not at.exception
    counts = json.dumps([str(x.proto) for x in at.get("progress")])
    assert "2 of 20" in counts
    at.button(key="review.undo").click().run()
    at.button(key="review.undo").click().run()
    again = run_page("pages/4_Review.py")
    assert "1 of 20" in json.dumps([str(x.proto) for x in again.get("progress")])


def test_nobody_judges_without_a_name(run_page, populated):
    at = run_page("pages/4_Review.py")
    assert not at.button(key="review.accept").disabled and "Dr A" in texts(at)
    at.session_state["reviewer"] = ""
    at.run()
    assert at.button(key="review.accept").disabled and at.button(key="review.undo").disabled
    at.text_input(key="review.name").set_value(" Dr B ").run()
    assert not at.button(key="review.accept").disabled
    assert "Dr B" in texts(at)


def test_a_decision_on_a_text_that_changed_is_shown_and_not_stored(run_page, populated, tmp_path):
    at = run_page("pages/4_Review.py")
    app = frame.open_app(str(tmp_path / "ws"))
    [current, *_] = review_decisions.queue(app, populated)
    [sample] = samples.by_ids(app.store, [current])
    review_decisions.decide(app, current, "edit", "Dr B", question="", answer="Give 50 mg.")
    at.button(key="review.accept").click().run()
    [now] = samples.by_ids(app.store, [current])
    assert (now["review"], now["reviewer"]) == ("edit", "Dr B")
    assert "Dr B changed this answer after you opened it" in texts(at).replace("\\", "")
    shown = [block.value for block in at.code]
    assert shown[0] == sample["answer"] and shown[1] == "Give 50 mg.", "the answer that was judged, before and now"
    review_decisions.decide(app, current, "edit", "Dr C", question="", answer="Give 5000 mg.")
    at.button(key="review.conflict.read").click().run()
    assert "changed this answer" not in texts(at)
    assert "Give 5000 mg." in str([each.proto for each in at.get("html")]), "the same answer, as it is by then"


def test_the_answer_that_is_being_written_stays_on_the_screen(run_page, populated, tmp_path):
    at = run_page("pages/4_Review.py")
    app = frame.open_app(str(tmp_path / "ws"))
    [current, other, *_] = review_decisions.queue(app, populated)
    at.button(key="review.edit").click().run()
    review_decisions.decide(app, current, "accept", "Dr B")  # it leaves the queue while Dr A types
    at.run()
    shown = str([each.proto for each in at.get("bidi_component")])
    assert f"kd.draft.{current}" in shown and other not in shown


def test_freezing_from_the_page(run_page, populated, tmp_path):
    at = run_page("pages/5_Datasets.py")
    at.text_input(key="datasets.name").set_value("Second").run()
    at.button(key="datasets.freeze").click().run()
    assert not at.exception
    app = frame.open_app(str(tmp_path / "ws"))
    assert {d["name"] for d in dataset_versions.list_datasets(app, populated)} == {"D", "Second"}


@pytest.mark.processes
def test_a_running_run_shows_its_progress(run_page, populated, tmp_path):
    app = frame.open_app(str(tmp_path / "ws"))
    [version, *_] = projects.prompt_versions(app, populated)
    slow = SCRIPTED.model_copy(update={"script": {"delay_s": 0.2}})
    run = generation_runs.start_run(app, populated, version["prompt_version_id"], slow, PLAIN)
    deadline = time.monotonic() + 20
    while not app.status(run.run_id).progress.get("done") and time.monotonic() < deadline:
        time.sleep(0.1)
    at = run_page("pages/2_Generate.py", run=run.run_id)
    assert any(b.label == "Stop" for b in at.button)
    app.stop(run.run_id)
    assert app.wait(run.run_id).state == "cancelled"


def test_page_files_exist():
    assert all((ROOT / file).exists() for file in PAGES)


def test_every_choice_of_a_run_counts(run_page, populated, tmp_path):
    """A box whose key followed its value dropped every other click."""
    app = frame.open_app(str(tmp_path / "ws"))
    [version, *_] = projects.prompt_versions(app, populated)
    for _ in range(2):
        run = generation_runs.start_run(app, populated, version["prompt_version_id"], SCRIPTED, PLAIN)
        assert app.wait(run.run_id).state == "done"
    at = run_page("pages/2_Generate.py")
    box = next(b for b in at.selectbox if b.label == "Run")
    ids = [run["run_id"] for run in generation_runs.list_runs(app, populated)]
    for wanted in (1, 2, 0, 2):
        next(b for b in at.selectbox if b.label == "Run").select(box.options[wanted]).run()
        assert next(b for b in at.selectbox if b.label == "Run").value == ids[wanted]
        assert at.query_params["run"] == ids[wanted]


def test_another_project_starts_clean(run_page, populated, tmp_path):
    app = frame.open_app(str(tmp_path / "ws"))
    projects.create_project(app, "Second")
    [first, *_] = samples.keys(app.store, populated, review_decisions.REVIEWABLE)
    at = run_page("pages/4_Review.py", project=populated, sample=first)
    assert "Accept" in texts(at)
    next(b for b in at.selectbox if b.label == "Project").select_index(1).run()
    assert "sample" not in at.query_params
    assert "nothing to review yet" in texts(at)


def test_damaged_journal_lines_are_shown_with_their_run(run_page, populated, tmp_path):
    app = frame.open_app(str(tmp_path / "ws"))
    [version, *_] = projects.prompt_versions(app, populated)
    run = generation_runs.start_run(app, populated, version["prompt_version_id"], SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    with run.journals()[-1].open("ab") as file:
        file.write(b'{"seq":9,"epoch":1,"crc":1,"body":{"kind":"sample"}}\n')
    app._settled.discard(run.run_id)
    app.tick()
    assert "Damaged places in this run's journal: 2" in texts(run_page("pages/2_Generate.py", run=run.run_id))


def test_a_trial_asks_the_teacher_that_the_full_run_would_ask(run_page, populated, monkeypatch):
    asked = {}

    def note(app, project, template, teacher, sampling, rows):
        asked.update(teacher=teacher, sampling=sampling)
        return "run", "key", []

    monkeypatch.setattr(trial, "start", note)
    at = run_page("pages/2_Generate.py")
    next(b for b in at.number_input if b.label == "Temperature").set_value(0.25)
    next(b for b in at.text_input if b.label == "Model").set_value("some/model").run()
    at = at.switch_page("1_Elicit.py").run()
    next(b for b in at.button if b.key == "elicit.try").click().run()
    assert asked["sampling"].temperature == 0.25
    assert asked["teacher"].model == "some/model"


@pytest.fixture
def asked(monkeypatch) -> list:
    """The recipes that the Distill page would have trained."""
    from kdcore.errors import ConfigError
    from kdcore.services.distill import runs as training_runs

    kept = []

    def keep(app, project_id, config):
        kept.append(config)
        raise ConfigError("kept for the test.")

    monkeypatch.setattr(training_runs, "start_run", keep)
    return kept


def test_a_recipe_of_two_slices_reaches_the_run(run_page, populated, asked):
    """Losses show only the settings that they have; topics, targets and own answers arrive as they were chosen."""
    from kdcore.configs.selection import ColumnIs

    at = run_page("pages/6_Distill.py", see="new")
    assert not any(n.label == "Beta" for n in at.number_input)
    at.number_input[0].set_value(2).run()
    at.selectbox(key="loss-0").set_value("generalized_jsd").run()
    at.number_input(key="slice-0.generalized_jsd.beta").set_value(0.25)
    at.selectbox(key="slice-0.targets").set_value("live")
    at.selectbox(key="slice-1.targets").set_value("live").run()
    at.number_input(key="slice-0.temperature").set_value(2.0)
    at.number_input(key="distill.on_policy").set_value(0.5)
    at.toggle(key="some-1").set_value(True).run()
    [topics] = [m for m in at.multiselect if m.key.startswith("topics-1-")]
    topics.set_value([topics.options[0]]).run()
    at.button(key="distill.start").click().run()
    assert not at.exception
    assert any("Kept for the test" in e.value for e in at.error)
    [config] = asked
    first, second = config.slices
    assert (first.loss, first.loss_config, first.targets, first.temperature) == (
        "generalized_jsd",
        {"beta": 0.25},
        "live",
        2.0,
    )
    assert second.selection == ColumnIs(column="topic", op="in", values=(topics.options[0],))
    assert config.on_policy == 0.5


@pytest.mark.parametrize(
    "query",
    [
        {"page": "²"},
        {"page": "9" * 25},
        {"page": "-1"},
        {"run": ".."},
        {"run": "../../etc"},
        {"sample": "' OR 1=1"},
        {"tab": "<b>"},
        {"filter": "A" * 5000},
        {"map": ".."},
        {"sort": "drop table"},
        {"project": "../x"},
    ],
    ids=str,
)
def test_no_link_breaks_a_page(run_page, populated, query):
    for page in ("pages/2_Generate.py", "pages/3_Explore.py", "pages/4_Review.py", "pages/5_Datasets.py"):
        run_page(page, **({"project": populated} | query))


@pytest.mark.parametrize(
    "query", [{"run": ".."}, {"train": ".."}, {"run": "distill-none"}, {"step": "9" * 30}], ids=str
)
def test_no_link_breaks_the_pages_of_students(run_page, populated, query):
    for page in ("pages/6_Distill.py", "pages/7_Evaluate.py"):
        run_page(page, **({"project": populated} | query))


@pytest.mark.parametrize("part", list("123456"))
def test_each_part_of_the_guide_opens_by_its_link(run_page, part):
    at = run_page("pages/8_Guide.py", part=part)
    assert at.header[0].value
    assert "**" in at.markdown[-1].value or "|" in at.markdown[-1].value


def test_a_link_to_a_project_that_is_not_here_says_so(run_page, populated):
    assert "is not in this workspace" in texts(run_page("pages/5_Datasets.py", project="pj_of_others"))
    assert "is not in this workspace" not in texts(run_page("pages/5_Datasets.py"))


@pytest.mark.parametrize("page", ["", *PAGES])
def test_what_stands_around_a_page_has_its_place_before_the_page_is_drawn(run_page, populated, page):
    """A drawing that is broken off must leave the header's fragments where the browser looks for them."""
    assert len(run_page(page).main.children) == 2
    assert len(run_page(page, project="pj_of_others").main.children) == 2, "whatever is said above the page"
