"""In Chromium, on real models: from an empty workspace to a live chart, by mouse and keys; then deep links."""

from pathlib import Path

import pytest

from kdcore.ui import shell
from tests.e2e.browser import browser_page, button, named, open_page, server, settled, wait_for_points
from tests.e2e.training import train_and_compare

pytestmark = [pytest.mark.e2e, pytest.mark.models]

QUESTIONS = [
    "What does the heart do?", "Why do people sleep?", "What is a contract?", "What is a court?",
    "What is a fever?", "Why do we drink water?", "What is a witness?", "What is theft?",
    "What is a vaccine?", "What is a will?", "What is asthma?", "What is a tenant?",
]  # fmt: skip


@pytest.fixture
def workspace(tmp_path: Path, models: Path) -> Path:
    root = tmp_path / "ws"
    root.mkdir()
    (root / "models").symlink_to(models)
    return root


def test_from_nothing_to_a_live_chart(workspace: Path, tmp_path: Path):
    seeds = tmp_path / "questions.csv"
    rows = [f"{q},{'law' if i % 2 else 'medicine'}-{i % 4},lay person,general" for i, q in enumerate(QUESTIONS)]
    seeds.write_text("question,topic,reader,domain\n" + "\n".join(rows))
    with server(workspace) as address, browser_page() as page:
        _create_and_import(page, address, seeds)
        _write_prompt(page, address)
        _ask_teacher(page, address)
        _draw_map(page, address)
        _open_a_point(page, address)
        _lasso_and_reopen(page, address)
        _duplicates(page, address)
        _teach_a_concept(page, address)
        _search_by_meaning(page, address)
        _review_by_keys(page, address)
        _freeze(page, address)
        run_url = train_and_compare(page, address)
    with server(workspace) as address, browser_page() as page:
        # The server was restarted and the browser is a new one: run and curves are still there.
        page.goto(f"{address}/{run_url.split('/', 3)[3]}")
        page.get_by_text("Training loss").first.wait_for(timeout=60_000)
        wait_for_points(page, 2, 60_000)


def _create_and_import(page, address: str, seeds: Path):
    page.goto(address)
    page.get_by_label("Name", exact=True).fill("Browser project")
    button(page, "Create project").click()
    page.get_by_text("Import questions").first.wait_for()
    open_page(page, address, "Elicit")
    page.locator("input[type=file]").set_input_files(str(seeds))
    button(page, "Import").click()
    page.get_by_text("12 seeds imported").wait_for()


def _write_prompt(page, address: str):
    open_page(page, address, "Elicit")
    page.get_by_label("System message").fill("Answer in one short sentence.")
    page.get_by_label("System message").blur()
    settled(page)
    button(page, "Save as a version").click()
    page.get_by_text("Answer in one short sentence.").first.wait_for()
    settled(page)


def _ask_teacher(page, address: str):
    open_page(page, address, "Generate")
    page.get_by_text("Forecast:").wait_for()
    button(page, "Start").click()
    page.get_by_text("loading the teacher").first.wait_for(timeout=60_000)
    page.get_by_text("done").first.wait_for(timeout=240_000)


def _draw_map(page, address: str):
    open_page(page, address, "Explore")
    page.get_by_text("of 12 answers").wait_for()
    button(page, "Draw a map").click()
    page.get_by_role("button", name="Draw", exact=True).click()
    wait_for_map(page, 120_000)


# where the first drawn point lies in the window, and the middle of the other points, in pixels
MAP = """const plot = [...document.querySelectorAll(".js-plotly-plot")]
    .find(p => p.data.some(t => t.type == "scattergl"))"""
FIRST_POINT = f"""() => {{
    {MAP};
    const box = plot.querySelector(".nsewdrag").getBoundingClientRect(), layout = plot._fullLayout;
    const trace = plot._fullData.find(t => t.type == "scattergl" && t.x && t.x.length);
    return [box.x + layout.xaxis.l2p(trace.x[0]), box.y + layout.yaxis.l2p(trace.y[0])];
}}"""
PLOT_BOX = f"""() => {{
    {MAP};
    const box = plot.querySelector(".nsewdrag").getBoundingClientRect();
    return [box.left, box.top, box.right, box.bottom];
}}"""


def wait_for_map(page, timeout: float):
    """Until the map itself has a point; histograms have points too."""
    page.wait_for_function(
        f"() => {{ try {{ ({FIRST_POINT})(); return true }} catch {{ return false }} }}", timeout=timeout
    )


def still(page, script: str):
    """What a script returns once it returns the same for a second: the page has stopped moving."""
    last, since = None, 0
    while since < 5:
        page.wait_for_timeout(200)
        now = page.evaluate(script)
        last, since = now, since + 1 if now == last else 0
    return last


def first_point(page) -> tuple[float, float]:
    """Where the first point lies once the map is whole in the window."""
    page.evaluate("""() => [...document.querySelectorAll(".js-plotly-plot")]
        .find(p => p.data.some(t => t.type == "scattergl")).scrollIntoView({block: "center"})""")
    x, y = still(page, FIRST_POINT)
    return x, y


def hover(page, x: float, y: float):
    """Move over a point until the chart tells what it is: it hears no move while it draws itself."""
    told = page.locator(".hoverlayer .hovertext").first
    for _ in range(40):
        page.mouse.move(x + 1, y)
        page.mouse.move(x, y)
        page.wait_for_timeout(250)
        if told.is_visible():
            return
    told.wait_for()


def _open_a_point(page, address: str):
    """A click on a point opens its sample."""
    open_page(page, address, "Explore")
    wait_for_map(page, 60_000)
    x, y = first_point(page)
    hover(page, x, y)
    page.mouse.click(x, y)
    page.get_by_text("Thread of this sample").wait_for()
    assert "sample=" in page.url
    button(page, "Close").click()
    page.get_by_text("Thread of this sample").wait_for(state="hidden")


def _lasso_and_reopen(page, address: str):
    open_page(page, address, "Explore")
    wait_for_map(page, 60_000)
    page.get_by_role("radio", name="Lasso").click()
    settled(page)
    page.wait_for_function(f"() => {{ {MAP}; return plot && plot._fullLayout.dragmode == 'lasso' }}")
    wait_for_map(page, 60_000)
    for _ in range(5):  # on a busy machine a chart may be drawn anew under the hand
        x, y = first_point(page)
        hover(page, x, y)
        _draw_around(page, x, y)
        page.wait_for_timeout(4000)
        if "filter=" in page.url:
            break
    page.wait_for_url("**filter=**")
    settled(page)
    counted = page.get_by_text("of 12 answers").first.inner_text()
    assert 1 <= int(counted.split()[0]) < 12
    other = page.context.browser.new_context().new_page()  # the link alone reopens the view, in a browser that
    other.goto(page.url)  # has seen nothing
    other.get_by_text("of 12 answers").first.wait_for(timeout=60_000)
    settled(other)
    assert other.get_by_text("of 12 answers").first.inner_text() == counted
    other.context.close()


def _draw_around(page, x: float, y: float, reach: float = 30):
    """A lasso round a point that stays within the chart: the map's outermost point may lie at its very edge."""
    left, top, right, bottom = page.evaluate(PLOT_BOX)
    west, east = max(x - reach, left + 2), min(x + reach, right - 2)
    north, south = max(y - reach, top + 2), min(y + reach, bottom - 2)
    page.mouse.move(west, north)
    page.mouse.down()
    for corner in [(east, north), (east, south), (west, south), (west, north)]:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()


def _duplicates(page, address: str):
    """Answers that say nearly the same come up as a group, are resolved as one and taken back as one."""
    open_page(page, address, "Explore")
    wait_for_map(page, 60_000)
    button(page, "More").click()
    button(page, "Check the answers").click()
    page.get_by_text("Says the same as an earlier sample", exact=True).click()
    settled(page)
    page.locator(".st-key-settings-same_meaning button").first.click()
    level = page.get_by_label("Threshold").last
    level.fill("0.05")  # twelve answers of two subjects: some pair is as near as that
    level.press("Enter")
    settled(page)
    page.locator(".st-key-settings-same_meaning button").first.click()
    page.get_by_role("button", name="Check", exact=True).click()
    page.get_by_text("fail: says the same").first.wait_for(timeout=60_000)
    page.get_by_role("radio", name="Duplicates").click()
    page.get_by_text("groups of").first.wait_for()
    assert "tab=duplicates" in page.url
    button(page, "Resolve all").click()
    page.get_by_text("No group of duplicates is open").wait_for()
    button(page, "Undo my last decision").first.click()
    page.get_by_text("groups of").first.wait_for()
    settled(page)


def _teach_a_concept(page, address: str):
    """Yes and no on a few rows, then every row has a score."""
    page.goto(f"{address}/Explore?tab=concepts")
    page.get_by_label("Its name").fill("illness")
    page.get_by_label("Its name").press("Enter")
    for count, word in ((1, "Yes"), (1, "No"), (2, "Yes"), (2, "No")):
        page.get_by_role("button", name=word, exact=True).first.click()
        page.get_by_text(f"{count} {word.lower()}").first.wait_for()
        settled(page)
    button(page, "Learn from these").click()
    page.get_by_text("learnt from 2 yes and 2 no").wait_for(timeout=60_000)
    settled(page)
    button(page, "Show the rows that have it").click()
    page.wait_for_url("**filter=**")
    settled(page)


def _search_by_meaning(page, address: str):
    open_page(page, address, "Explore")
    page.get_by_label("Search by meaning").fill("an illness with a high temperature")
    page.keyboard.press("Enter")
    page.wait_for_url("**filter=**", timeout=90_000)
    page.get_by_text("an illness with a high").first.wait_for()
    settled(page)


def _review_by_keys(page, address: str):
    open_page(page, address, "Review")
    page.get_by_text("0 of").first.wait_for()
    named(page)
    for key, count in (("a", "1 of"), ("x", "2 of"), ("u", "1 of"), ("a", "2 of")):
        page.keyboard.press(key)
        page.get_by_text(count).first.wait_for()
        settled(page)
    page.keyboard.press("e")
    area = page.get_by_label("Answer", exact=True)
    area.wait_for()
    area.fill("")
    area.press_sequentially("A text with a and x and u in it.")  # keys rest while typing
    settled(page)
    button(page, "Save").click()
    page.get_by_text("3 of").first.wait_for()
    page.reload()
    page.get_by_text("3 of").first.wait_for()


def _freeze(page, address: str):
    open_page(page, address, "Datasets")
    button(page, "Freeze").click()
    page.get_by_text("Content hash").wait_for()


@pytest.mark.parametrize("name", ["Explore", "Review", "Evaluate"])
def test_a_deep_link_on_a_fresh_server_shows_the_page(tmp_path: Path, name: str):
    (tmp_path / "ws").mkdir()
    with server(tmp_path / "ws") as address, browser_page() as page:
        page.goto(f"{address}/{name}")
        page.get_by_role("heading", name=shell.PAGES[name].title, exact=True).wait_for()
        page.get_by_role("link", name="Home").first.wait_for()  # the menu is the same whatever is asked first
        assert page.get_by_text("Page not found").count() == 0
        settled(page)
