"""What a stranger sees: where things are, no id in what is read, and nothing that axe finds, on every page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe

from kdcore.configs.exploration import EmbedConfig
from kdcore.elicitation import METHODS
from kdcore.services import main_job, projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.explore import maps
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import open_app
from kdcore.store import samples
from kdcore.ui.shell import PAGES
from tests.conftest import PLAIN, SCRIPTED, import_questions
from tests.e2e.browser import browser_page, server, settled
from tests.pages.test_distill import trained

pytestmark = [pytest.mark.e2e, pytest.mark.models]

START = 120  # pixels from the top within which a page's first own element begins
BOXES = """() => [...document.querySelectorAll("[data-testid=stMainBlockContainer] *")]
    .map(each => each.getBoundingClientRect()).filter(box => box.width > 40 && box.height > 10 && box.top >= 60)
    .reduce((least, box) => Math.min(least, box.top), 9999)"""
# what must lie whole in a window of 720 lines: the next action, the map, the curves with what it says, the decisions
WHOLE = {
    "": ["[data-testid=stBaseButton-primary]"],
    "Explore": [".st-key-stage"],
    "Review": [".st-key-decide"],
    "Distill": [".st-key-curves", ".st-key-side"],
}
AN_ID = re.compile(r"\b[a-z_]+-\d{8}-\d{6}-\w+|\b(?:pj|pv|sm|ds|rq|sd)_[0-9a-f]{8,}")
WCAG = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]}}
TABS = {"Explore": ("tab", "groups duplicates concepts coverage sql"), "Distill": ("see", "rows answers new take")}


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory, models: Path) -> Path:
    """A workspace with answers, a map, a decision, a version and a student that has curves."""
    root = tmp_path_factory.mktemp("face") / "ws"
    root.mkdir()
    (root / "models").symlink_to(models)
    app = open_app(root)
    project = projects.create_project(app, "Hearts and leases", "medicine")
    import_questions(app, project, root.parent, 40)
    version = projects.save_prompt_version(app, project, "Short", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    drawn = maps.start_map(app, project, EmbedConfig(clusters=3))
    assert app.wait(drawn.run_id, timeout_s=180).state == "done"
    first = samples.keys(app.store, project, review_decisions.REVIEWABLE, sort="topic")[0]
    review_decisions.decide(app, first, "accept", "Dr A")
    dataset_versions.freeze(app, project, "Hearts", heldout_share=0.2)
    app.close()
    trained(root, project, "20260102-000000-aaaa", 3.0)
    return root


@pytest.fixture(scope="module")
def face(shown: Path) -> Iterator[str]:
    """Its address, from one server for all tests."""
    with server(shown) as address:
        yield address


def box(page, selector: str) -> dict[str, float]:
    found = page.locator(selector).first.bounding_box()
    assert found is not None, selector
    return found


def opened(page, address: str, where: str) -> None:
    page.goto(f"{address}/{where}")
    page.wait_for_selector("h1", state="attached")
    settled(page)
    page.wait_for_timeout(800)


def test_at_720_lines_all_that_a_page_is_for_is_in_sight(face: str):
    with browser_page(width=1280, height=720) as page:
        for where in ("", *PAGES):
            opened(page, face, where)
            assert page.evaluate(BOXES) <= START, where
            for selector in WHOLE.get(where, ()):
                page.wait_for_selector(selector)
                found = box(page, selector)
                assert found["y"] + found["height"] <= 720, f"{where}: {selector}"
            if where == "Explore":
                drawn = box(page, ".st-key-stage")
                assert drawn["height"] >= 430 and drawn["width"] >= 0.6 * 1280 - 1


def test_the_map_grows_with_the_window(face: str):
    with browser_page(width=2560, height=1440) as page:
        opened(page, face, "Explore")
        drawn = box(page, ".st-key-stage")
        assert drawn["height"] >= 1200 and drawn["width"] >= 1600


def test_on_a_phone_question_answer_and_decisions_are_in_the_first_screen(face: str):
    with browser_page(width=390, height=844) as page:
        opened(page, face, "Review")
        read, decide = box(page, ".st-key-reading"), box(page, ".st-key-decide")
        assert read["y"] < decide["y"] and decide["y"] + decide["height"] <= 844


def refuse_ids(page, where: str) -> None:
    said = page.inner_text("[data-testid=stApp]")
    assert "Something went wrong" not in said, where
    assert not AN_ID.findall(said), where


@pytest.mark.long
def test_nobody_reads_an_id_on_any_tab(face: str):
    with browser_page(width=1280, height=720) as page:
        for where, (name, tabs) in TABS.items():
            for tab in tabs.split():
                opened(page, face, f"{where}?{name}={tab}")
                refuse_ids(page, where)


@pytest.mark.parametrize(
    ("dark", "size"),
    [
        (False, (1280, 720)),
        (True, (390, 844)),
        pytest.param(True, (1280, 720), marks=pytest.mark.long),
        pytest.param(False, (390, 844), marks=pytest.mark.long),
        pytest.param(False, (2560, 1440), marks=pytest.mark.long),
    ],
)
def test_axe_finds_nothing_and_nobody_reads_an_id(face: str, dark: bool, size: tuple[int, int]):
    with browser_page(dark=dark, width=size[0], height=size[1]) as page:
        found: dict[str, list[str]] = {}
        for where in ("", *PAGES, "Guide"):
            opened(page, face, where)
            refuse_ids(page, where)
            wrong = Axe().run(page, options=WCAG).response["violations"]
            found |= {f"{where} {each['id']}": [node["html"][:200] for node in each["nodes"]] for each in wrong}
        assert found == {}


def test_home_lives_through_the_first_stages_of_the_sample(tmp_path: Path, models: Path):
    """Stages that end in quick succession break off one drawing of the page after the other."""
    root = tmp_path / "ws"
    root.mkdir()
    (root / "models").symlink_to(models)
    app = open_app(root)
    main_job.create(app, rows=8, teacher=SCRIPTED, sampling=PLAIN)
    app.close()
    with server(root) as address, browser_page(width=1280, height=720) as page:
        page.goto(address)
        page.get_by_text("Draw the map:").first.wait_for()
        assert page.locator("h1").count() == 1
