"""Two people in two browsers, each in a project of their own: neither sees the other, nor after a switch."""

from pathlib import Path

import pytest

from kdcore.elicitation import METHODS
from kdcore.services import projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import open_app
from tests.conftest import PLAIN, SCRIPTED, import_questions
from tests.e2e.browser import QUIET, button, chromium, server, settled

pytestmark = pytest.mark.e2e


@pytest.fixture
def two(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A workspace with two projects, a frozen version in each."""
    app = open_app(tmp_path / "ws")
    made: dict[str, str] = {}
    for name, rows in (("Clinic", 6), ("Law firm", 9)):
        made[name] = projects.create_project(app, name)
        import_questions(app, made[name], tmp_path, rows)
        prompt = projects.save_prompt_version(app, made[name], name, METHODS["direct"].template)
        run = generation_runs.start_run(app, made[name], prompt, SCRIPTED, PLAIN)
        assert app.wait(run.run_id).state == "done"
        dataset_versions.freeze(app, made[name], f"Of the {name}")
    app.close()
    return tmp_path / "ws", made


def exports(page) -> None:
    page.get_by_role("button", name="Export").or_(page.get_by_role("radio", name="Export")).first.click()
    settled(page)


def prepared(page, address: str, project: str) -> None:
    """Export the version of a project, to the button that takes it."""
    page.goto(f"{address}/Datasets?project={project}")
    page.get_by_role("heading", name="Datasets", exact=True).wait_for()
    settled(page)
    exports(page)
    button(page, "Prepare").click()
    page.get_by_role("button", name="Download").first.wait_for()
    settled(page)


def switch(page, name: str, project: str) -> None:
    if not page.get_by_role("combobox", name="Project").is_visible():
        page.locator(".st-key-project-menu button").first.click()
    page.get_by_role("combobox", name="Project").click()
    page.get_by_role("option", name=name, exact=True).click()
    page.wait_for_url(f"**project={project}**")
    settled(page)
    exports(page)


def shown(page) -> str:
    return page.locator("[data-testid=stMain]").inner_text()


def test_each_sees_their_own_and_a_switch_brings_nothing_along(two):
    from playwright.sync_api import sync_playwright

    root, made = two
    with server(root) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        clinic, firm = (browser.new_context(viewport={"width": 1440, "height": 1000}).new_page() for _ in range(2))
        prepared(clinic, address, made["Clinic"])
        prepared(firm, address, made["Law firm"])
        assert "Download Of the Clinic v1" in shown(clinic) and "Law firm" not in shown(clinic)
        assert "Download Of the Law firm v1" in shown(firm) and "Clinic" not in shown(firm)
        switch(clinic, "Law firm", made["Law firm"])
        assert "Download" not in shown(clinic) and "Clinic" not in shown(clinic)
        assert "What is thing number" in shown(clinic)
        assert "Download Of the Law firm v1" in shown(firm)
        switch(clinic, "Clinic", made["Clinic"])
        assert "Download Of the Clinic v1" in shown(clinic) and "Law firm" not in shown(clinic)
        browser.close()
