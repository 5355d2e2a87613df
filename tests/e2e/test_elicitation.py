"""In Chromium, on the real teacher: recipe, trial, run to exactly N, the tree of growth, the coverage map."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from kdcore.elicitation.recipes import RECIPES
from kdcore.services import projects
from kdcore.services.elicit import imports
from kdcore.services.workspace import open_app
from tests.e2e.browser import browser_page, button, open_page, server, settled
from tests.e2e.test_journey import workspace

__all__ = ["workspace"]
pytestmark = [pytest.mark.e2e, pytest.mark.models]

PASSAGES = [
    "The kidneys filter the blood. They send waste and extra water into the urine, and keep salts in balance.",
    "A lease is an agreement between a landlord and a tenant. The tenant pays rent and may use the home.",
    "A fever is a body temperature above the normal range. It often means that the body fights an infection.",
]


def fill_project(root: Path, folder: Path) -> str:
    """A project with questions and passages, through the real reader."""
    app = open_app(root)
    project = projects.create_project(app, "Gallery", "medicine and law")
    questions = folder / "q.csv"
    questions.write_text(
        "question,topic,difficulty\nWhat does the kidney do?,Kidney,basic\nWhat is a lease?,Housing,basic\n"
        "What is a fever?,Fever,basic\nWhat is a will?,Estates,advanced"
    )
    passages = folder / "p.jsonl"
    passages.write_text("\n".join(f'{{"text": "{text}", "topic": "T{i}"}}' for i, text in enumerate(PASSAGES)))
    mapping = {"text": "question", "topic": "topic", "difficulty": "difficulty"}
    for path, kind, columns in (
        (questions, "question", mapping),
        (passages, "document", {"text": "text", "topic": "topic"}),
    ):
        run = imports.read_file(app, project, path, path.name, kind, columns)
        assert app.wait(run.run_id).state == "done"
    app.close()
    return project


def try_it(page):
    """Ask the warm teacher the first three rows."""
    page.get_by_role("tab", name="Prompt").click()
    button(page, "Ask the teacher").click()
    page.get_by_text("rows usable, from 3 requests").wait_for(timeout=240_000)
    settled(page)


def take(page, address: str, words: str, name: str):
    """Take a recipe from the gallery."""
    open_page(page, address, "Elicit")
    page.get_by_role("tab", name="Recipes").click()
    page.get_by_label("Find a recipe").fill(words)
    page.get_by_label("Find a recipe").press("Enter")
    # The whole list holds the recipe too: only once the others are gone does it stand where it stays.
    other = next(r for r in RECIPES if not set(words.split()) & set(r.split("_")) and r != name)
    expect(page.locator(f".st-key-take-{other} button")).to_have_count(0, timeout=60_000)
    settled(page)
    page.locator(f".st-key-take-{name} button").click()
    page.wait_for_url("**prompt=pv_**")
    settled(page)


def run_to(page, address: str, rows: int):
    """Start a run that goes on until ``rows`` rows are usable, and wait for its end."""
    page.goto(f"{address}/Generate")
    page.get_by_text("Ask the teacher again").first.wait_for()
    settled(page)
    if not page.get_by_text("Forecast:").first.is_visible():
        page.get_by_text("Ask the teacher again").first.click()  # folded once there is a run
    page.get_by_text("Forecast:").first.wait_for()
    page.get_by_text("Exactly this many usable rows").first.click()
    field = page.get_by_label("Rows", exact=True)
    field.fill(str(rows))
    field.press("Enter")
    settled(page)
    before = page.url
    button(page, "Start").click()
    page.wait_for_url(lambda url: "run=generate-" in url and url != before)
    settled(page)
    page.get_by_text("done").first.wait_for(timeout=480_000)  # a rambling answer takes a minute
    settled(page)


def usable(page) -> str:
    """The figure on the card named usable."""
    return page.get_by_test_id("stMetric").filter(has_text="usable").get_by_test_id("stMetricValue").inner_text()


def exact_run(page, address: str, words: str, recipe: str, rows: int):
    """A recipe from the gallery, tried, then run to exactly so many rows; its coverage is drawn."""
    take(page, address, words, recipe)
    try_it(page)
    run_to(page, address, rows)
    assert usable(page) == f"{rows} of {rows}"
    page.get_by_role("radio", name="Coverage").click()
    page.get_by_text("an empty cell is a hole").wait_for()


def test_gallery_trial_exact_run_tree_and_coverage(workspace: Path, tmp_path: Path):
    fill_project(workspace, tmp_path)
    with server(workspace) as address, browser_page() as page:
        exact_run(page, address, "harder three rounds", "complex_instructions", 5)
        page.get_by_role("radio", name="Growth").click()
        page.get_by_text("seeds and what grew from each").wait_for()


@pytest.mark.long
def test_a_recipe_over_passages_runs_to_exactly_its_rows(workspace: Path, tmp_path: Path):
    fill_project(workspace, tmp_path)
    with server(workspace) as address, browser_page() as page:
        exact_run(page, address, "question answer passage", "passage_questions", 3)
