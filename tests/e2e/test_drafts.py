"""A clinician rewrites an answer: what was typed survives server and tab, and no stray key decides."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import psutil
import pytest

from kdcore.elicitation import METHODS
from kdcore.services import projects
from kdcore.services.generate import runs as generation_runs
from kdcore.services.workspace import open_app
from tests.conftest import PLAIN, SCRIPTED, import_questions
from tests.e2e.browser import QUIET, chromium, server, settled

pytestmark = pytest.mark.e2e


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    app = open_app(tmp_path / "ws")
    project = projects.create_project(app, "Ward 3")
    import_questions(app, project, tmp_path, 12)
    version = projects.save_prompt_version(app, project, "v", METHODS["direct"].template)
    run = generation_runs.start_run(app, project, version, SCRIPTED, PLAIN)
    assert app.wait(run.run_id).state == "done"
    app.close()
    return tmp_path / "ws"


def drafts(workspace: Path) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((workspace / "drafts").glob("*.json"))]


def decided(workspace: Path) -> list[dict[str, Any]]:
    lines = (workspace / "decisions.jsonl").read_bytes().splitlines()
    return [body for line in lines if (body := json.loads(line)["body"])["kind"] == "review"]


def review(page: Any, address: str) -> None:
    page.goto(f"{address}/Review")
    page.get_by_role("button", name="Accept").wait_for()
    settled(page)


def test_what_is_typed_outlives_server_and_tab_and_stray_keys_decide_nothing(workspace: Path):
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        context = browser.new_context(viewport={"width": 1440, "height": 1000})
        page = context.new_page()
        page.set_default_timeout(30_000)
        with server(workspace) as address:
            review(page, address)
            page.keyboard.press("a")
            page.wait_for_timeout(500)
            assert decided(workspace) == [], "nobody has said who decides"
            page.get_by_label("Your name, to stand on your decisions").fill("Dr A")
            page.keyboard.press("Enter")
            page.get_by_text("Judging as Dr A").wait_for()
            settled(page)

            # a held key counts once, a key on another tab not at all
            for _ in range(12):
                page.keyboard.down("s")
            page.keyboard.up("s")
            page.wait_for_timeout(1500)
            settled(page)
            assert [body["action"] for body in decided(workspace)] == ["skip"]
            page.get_by_role("radio", name="Last decisions").click()
            page.wait_for_timeout(500)
            page.keyboard.press("x")
            page.wait_for_timeout(800)
            assert len(decided(workspace)) == 1
            page.get_by_role("radio", name="Usable").click()
            page.locator(".st-key-decide").wait_for()
            settled(page)

            # typing: kept by the server within a second of the last key, and no letter is a key of the page
            page.keyboard.press("e")
            answer = page.locator("textarea.answer")
            answer.wait_for()
            answer.fill("")
            answer.press_sequentially("Axes: give 5 mg", delay=20)
            page.wait_for_timeout(1000)
            assert [draft["answer"] for draft in drafts(workspace)] == ["Axes: give 5 mg"]
            assert len(decided(workspace)) == 1

            # the server dies in the middle of a sentence, then the tab
            children = [p for p in psutil.process_iter(["cmdline"]) if "app.py" in " ".join(p.info["cmdline"] or [])
                        or "app.py" in " ".join(p.info["cmdline"] or [])]  # fmt: skip
            for process in children:
                os.kill(process.pid, signal.SIGKILL)
            answer.press_sequentially(", twice a day", delay=5)
            page.close()
        with server(workspace) as again:
            assert again == address, "another port is another origin to a browser"
            page = context.new_page()
            review(page, again)
            page.get_by_text("Judging as Dr A").wait_for()  # the browser remembers
            page.get_by_role("button", name="Go on with the draft").click()
            answer = page.locator("textarea.answer")
            answer.wait_for()
            assert answer.input_value() == "Axes: give 5 mg, twice a day"
            page.wait_for_timeout(1000)
            assert [draft["answer"] for draft in drafts(workspace)] == ["Axes: give 5 mg, twice a day"]

            # another browser of the same person has it too
            other = browser.new_context().new_page()
            review(other, again)
            other.get_by_label("Your name, to stand on your decisions").fill("Dr A")
            other.keyboard.press("Enter")
            other.get_by_text("Judging as Dr A").wait_for()
            settled(other)
            other.get_by_role("button", name="Go on with the draft").click()
            other.locator("textarea.answer").wait_for()
            assert other.locator("textarea.answer").input_value() == "Axes: give 5 mg, twice a day"
            other.close()

            # it survives an acceptance and its undoing
            page.keyboard.press("Escape")
            page.get_by_role("button", name="Go on with the draft").wait_for()
            settled(page)
            page.keyboard.press("a")
            page.get_by_role("button", name="Go on with the draft").wait_for(state="detached")
            settled(page)
            page.keyboard.press("u")
            page.get_by_role("button", name="Go on with the draft").click()
            answer = page.locator("textarea.answer")
            answer.wait_for()
            assert answer.input_value() == "Axes: give 5 mg, twice a day"

            # Ctrl+Enter saves the very text
            answer.press("End")
            answer.press_sequentially(".")
            answer.press("Control+Enter")
            answer.wait_for(state="detached")
            settled(page)
            assert drafts(workspace) == []
            assert decided(workspace)[-1]["action"] == "edit"
            lines = (workspace / "decisions.jsonl").read_text().splitlines()
            assert json.loads(lines[-1])["texts"]["answer"][1] == "Axes: give 5 mg, twice a day."
        browser.close()
