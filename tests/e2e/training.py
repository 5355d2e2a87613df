"""The Distill page in Chromium: two slices, pause, refresh, resume, from a point to its rows, overlay."""

from __future__ import annotations

from typing import Any

from tests.e2e.browser import button, open_page, settled, wait_for_points

DONE = ".stMarkdownBadge:has-text('done')"
RUNNING = "[data-testid=stProgress], .stMarkdownBadge:has-text('running')"
LINES = """() => document.querySelector(".st-key-curve-loss .js-plotly-plot")?.data.length || 0"""
SLICES = """() => [...document.querySelector(".st-key-curve-slices .js-plotly-plot").data].map(t => t.x.length)"""


def train_and_compare(page: Any, address: str) -> str:
    """Train twice; returns the address of the first run."""
    open_page(page, address, "Distill")
    _fill(page, "Slices", "2")
    _choose(page, ".st-key-loss-1", "sequence level kd")
    _fill(page, "Keep layers", "3")  # what is looked at is the page, not the student
    _fill(page, "Epochs", "3")
    button(page, "Start training").click()
    page.get_by_text("Training loss").first.wait_for(timeout=240_000)
    wait_for_points(page, 2, 60_000)
    button(page, "Pause").click()
    page.get_by_text("paused").first.wait_for(timeout=120_000)
    page.reload()
    page.get_by_text("paused").first.wait_for()
    wait_for_points(page, 2, 60_000)
    settled(page)
    button(page, "Resume").click()
    page.locator(RUNNING).first.wait_for(timeout=60_000)
    page.get_by_text("Held-out rows: Distance to the teacher").first.wait_for(timeout=120_000)
    page.locator(DONE).first.wait_for(timeout=240_000)
    settled(page)
    assert all(points >= 4 for points in page.evaluate(SLICES)), "one curve for each slice"
    url: str = page.url
    assert "run=distill-" in url
    _rows_of_a_point(page)
    _what_it_says(page)
    _overlay(page, url)
    return url


def _fill(page: Any, label: str, value: str) -> None:
    field = page.get_by_role("spinbutton", name=label)
    field.fill(value)
    field.press("Enter")
    settled(page)


def _choose(page: Any, where: str, option: str) -> None:
    page.locator(f"{where} input").click()
    page.get_by_role("option", name=option, exact=True).click()
    settled(page)


def _rows_of_a_point(page: Any) -> None:
    point = page.locator(".st-key-curve-loss .scatterlayer .trace").first.locator("path.point").nth(2)
    point.scroll_into_view_if_needed()
    box = point.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    page.mouse.move(x - 20, y)
    page.mouse.move(x, y, steps=5)
    page.wait_for_timeout(300)
    page.mouse.click(x, y)
    page.wait_for_url("**step=3**", timeout=30_000)
    page.get_by_text("Hardest when last met").wait_for()
    page.get_by_text("See these rows on the map").first.wait_for()


def _what_it_says(page: Any) -> None:
    page.get_by_role("radio", name="What it says").click()
    page.get_by_text("The answer to learn").first.wait_for()
    page.get_by_text("ROUGE-L").first.wait_for()


def _overlay(page: Any, url: str) -> None:
    page.goto(url)
    wait_for_points(page, 2)
    before = page.evaluate(LINES)
    page.get_by_role("radio", name="New run").click()
    settled(page)
    _fill(page, "Keep layers", "3")
    _fill(page, "Epochs", "1")
    button(page, "Start training").click()
    page.wait_for_url(lambda now: "run=distill-" in now and now != url, timeout=60_000)
    page.locator(RUNNING).first.wait_for(timeout=60_000)
    page.locator(DONE).first.wait_for(timeout=240_000)
    page.reload()
    settled(page)
    page.locator("[class*=st-key-choose-overlay] input").click()
    page.get_by_role("option", name="Student").first.click()
    page.wait_for_url("**overlay=**")
    page.wait_for_function(f"(least) => ({LINES})() >= least", arg=2 * before)
    page.reload()
    page.wait_for_function(f"(least) => ({LINES})() >= least", arg=2 * before)
