"""Chromium and a server for the browser tests and for ``make shots``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kdcore.jobs.backends import local
from kdcore.jobs.run_dir import RunDir
from kdcore.ui.launch import free_port
from kdcore.ui.shell import PAGES

ROOT = Path(__file__).resolve().parents[2]
APP = ROOT / "app.py"
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
QUIET += ["--disable-component-update", "--disable-sync", "--use-gl=swiftshader", "--enable-unsafe-swiftshader"]


def chromium() -> str:
    """Path of the browser; fails with what to install."""
    for name in ("chromium", "chromium-browser", "google-chrome"):
        if path := shutil.which(name):
            return path
    raise AssertionError("the browser tests need Chromium: install Debian's package chromium")


@contextmanager
def server(workspace: Path, script: Path = APP) -> Iterator[str]:
    """The app on a free port, on its own process group; yields its address."""
    port = free_port(8600)
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.headless", "true"]
    command += ["--server.port", str(port), "--server.address", "localhost"]
    log = (workspace.parent / f"server-{port}.log").open("wb")
    process = subprocess.Popen(
        command, cwd=ROOT, env={**os.environ, "KD_WORKSPACE": str(workspace)}, stdout=log, stderr=log
    )
    try:
        address = f"http://localhost:{port}"
        for _ in range(300):
            try:
                urllib.request.urlopen(f"{address}/_stcore/health", timeout=1)
                break
            except OSError:
                assert process.poll() is None, "the server ended before it answered"
                time.sleep(0.1)
        yield address
    except Exception:
        for run in _runs(workspace):
            print(f"{run.run_id}: {run.status()}")  # shown with the failure: what the page waited for
            local.kill_leftovers(run.status())  # and its workers must not slow the next test down
        raise
    finally:
        for run in _runs(workspace):
            if run.kind == "serve":  # a warm helper outlives the app on purpose
                local.kill_leftovers(run.status())
        process.terminate()
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        log.close()


def _runs(workspace: Path) -> list[RunDir]:
    return [RunDir(path) for path in sorted((workspace / "runs").glob("*")) if (path / "status.json").exists()]


@contextmanager
def browser_page(*, dark: bool = False, width: int = 1440, height: int = 1000) -> Iterator[Any]:
    """A page in a fresh headless Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=QUIET)
        context = browser.new_context(
            viewport={"width": width, "height": height}, color_scheme="dark" if dark else "light"
        )
        page = context.new_page()
        page.set_default_timeout(30_000)
        broken: list[str] = []  # an error that nothing caught leaves a white page, or one that no longer changes
        page.on("pageerror", lambda error: broken.append(str(error)))
        try:
            yield page
            assert broken == []
        except Exception:
            print(page.url, page.inner_text("body"), sep="\n")  # shown with the failure
            raise
        finally:
            browser.close()


def settled(page: Any, timeout_ms: int = 60_000) -> None:
    """Wait until Streamlit has stopped running the script."""
    page.wait_for_selector("[data-testid=stApp][data-test-script-state=notRunning]", timeout=timeout_ms)
    page.wait_for_timeout(400)


def named(page: Any, name: str = "Dr A") -> None:
    """Say who judges, as the Review page asks once."""
    page.get_by_label("Your name, to stand on your decisions").fill(name)
    page.keyboard.press("Enter")
    page.get_by_text(f"Judging as {name}").wait_for()
    settled(page)


DRAWN = """(least) => [...document.querySelectorAll(".js-plotly-plot")]
    .some(plot => (plot._fullData || []).some(trace => trace.x && trace.x.length >= least))"""


def wait_for_points(page: Any, least: int, timeout: float = 120_000) -> None:
    """Until some chart has a trace with that many points."""
    page.wait_for_function(DRAWN, arg=least, timeout=timeout)


def button(page: Any, name: str) -> Any:
    """The first button that carries these words."""
    return page.get_by_role("button", name=name, exact=False).first


def open_page(page: Any, address: str, name: str) -> None:
    """A page by its address, drawn to the end."""
    page.goto(f"{address}/{name}")
    page.get_by_role("heading", name=PAGES[name].title, exact=True).wait_for()
    settled(page)
