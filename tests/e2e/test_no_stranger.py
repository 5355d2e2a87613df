"""Hostile text in every field that people and models write: the browser asks nobody but the app, nothing is live."""

import json
from pathlib import Path

import pytest

from kdcore.configs.exploration import EmbedConfig
from kdcore.configs.selection import EVERYTHING
from kdcore.configs.teacher import TeacherConfig
from kdcore.elicitation import METHODS
from kdcore.services import governance, projects
from kdcore.services.datasets import versions as dataset_versions
from kdcore.services.elicit import imports
from kdcore.services.explore import maps, saved_views, tags
from kdcore.services.explore import samples as explore_samples
from kdcore.services.generate import runs as generation_runs
from kdcore.services.review import decisions as review_decisions
from kdcore.services.workspace import open_app
from kdcore.ui.shell import PAGES
from tests.conftest import PLAIN
from tests.e2e.browser import QUIET, chromium, server, settled

pytestmark = [pytest.mark.e2e, pytest.mark.models]
EVIL = "evil.test"
FORMS = (
    "![x](http://{host}/image?{where})",
    '<a href="http://{host}/a?{where}">T</a>',
    '<img src="http://{host}/img?{where}">',
    "http://{host}/bare?{where} www.{host} a@{host}",
    "[l](http://{host}/link?{where})",
    "<http://{host}/auto?{where}> :material/home: $x^2$ :red[r]",
)
SPIED = """() => {
  window.tried = [];
  document.addEventListener('securitypolicyviolation', (e) => window.tried.push(e.blockedURI));
}"""
OPEN = """() => { for (const each of document.querySelectorAll('details:not([open]) > summary')) each.click(); }"""
LIVE = """(host) => [...document.querySelectorAll('a[href], img[src], iframe[src], form[action], link[href], svg a')]
  .map(e => String(e.href?.baseVal ?? e.href ?? e.src ?? e.action))
  .filter(u => u.startsWith("mailto:") || (URL.canParse(u) && new URL(u).host.endsWith(host)))"""


def hostile(where: str, form: int | None = None) -> str:
    number = sum(map(ord, where)) if form is None else form
    return FORMS[number % len(FORMS)].format(host=EVIL, where=where)


@pytest.fixture
def workspace(tmp_path: Path, models: Path) -> Path:
    """One project with hostile text wherever a person or a model can put some."""
    root = tmp_path / "ws"
    root.mkdir()
    (root / "models").symlink_to(models)
    app = open_app(root)
    project = projects.create_project(app, hostile("project", 0))
    file = tmp_path / "seeds.jsonl"
    fields = ("topic", "difficulty", "reader", "group", "note", "source")
    rows = [
        {"question": f"What is {i}? {hostile('question', i)}"} | {name: hostile(name, i) for name in fields}
        for i in range(24)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    read = imports.read_file(
        app, project, file, file.name, "question", {"text": "question", "topic": "topic", "group": "group"}
    )
    assert app.wait(read.run_id).state == "done"
    version = projects.save_prompt_version(app, project, hostile("prompt", 0), METHODS["direct"].template)
    for form in range(len(FORMS)):
        answer = f"{hostile('answer', form)}\n\n> {hostile('quote', form)}\n\n- {hostile('item', form)}"
        teacher = TeacherConfig(
            engine="scripted", model=hostile("model", form), script={"answer": answer, "random": True}
        )
        run = generation_runs.start_run(app, project, version, teacher, PLAIN, rows=4)
        assert app.wait(run.run_id).state == "done"
    ids = [row["sample_id"] for row in app.store.rows("SELECT sample_id FROM samples ORDER BY sample_id LIMIT 6")]
    for number, sample in enumerate(ids):
        action = ("accept", "reject", "edit")[number % 3]
        review_decisions.decide(
            app, sample, action, hostile("reviewer", number), note=hostile("remark", number),
            answer=hostile("edited", number) if action == "edit" else None,
        )  # fmt: skip
    tags.tag(app, project, EVERYTHING, hostile("tag", 0), hostile("reviewer", 0))
    saved_views.save(app, project, hostile("view", 0), "", hostile("reviewer", 1))
    checked = explore_samples.start_screen(app, project, ["length", "near_duplicates"])
    drawn = maps.start_map(app, project, EmbedConfig(clusters=3))
    for each in (checked, drawn):
        assert app.wait(each.run_id, timeout_s=180).state == "done"
    dataset_versions.freeze(app, project, hostile("dataset", 0), heldout_share=0.2)
    governance.set_data_class(app, project, "internal", hostile("contract", 0))
    app.close()
    return root


def test_no_page_asks_a_stranger_and_no_text_is_live(workspace: Path):
    from playwright.sync_api import sync_playwright

    asked: list[str] = []
    live: dict[str, list[str]] = {}
    with server(workspace) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        page = browser.new_context(viewport={"width": 1440, "height": 1000}).new_page()
        page.on("request", lambda request: asked.append(request.url))
        page.add_init_script(f"({SPIED})()")
        tabs = ["rows", "groups", "duplicates", "concepts", "coverage", "sql"]
        addresses = ["", *PAGES, *(f"Explore?tab={tab}" for tab in tabs)]
        for where in addresses:
            page.goto(f"{address}/{where}")
            settled(page)
            page.evaluate(OPEN)
            settled(page)
            live[where] = page.evaluate(LIVE, EVIL) + page.evaluate("() => window.tried")
            assert "Something went wrong" not in page.inner_text("body"), where
        browser.close()
    print(json.dumps({where: found for where, found in live.items() if found}, indent=1))
    local = ("data:", "blob:", address, address.replace("http", "ws"))
    away = [url for url in asked if not url.startswith(local)]
    assert [url for url in away if not url.endswith(" csp")] == [], "the policy let something through"
    assert away == [], "text became an image, and only the policy stopped it"
    assert {where: found for where, found in live.items() if found} == {}
