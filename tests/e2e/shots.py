"""``make shots``: every page of a workspace, light and dark, into shots/."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.e2e.browser import browser_page, server, settled

PAGES = ("", "Elicit", "Generate", "Explore", "Review", "Datasets", "Distill", "Evaluate")


def main() -> None:
    """Take the pictures."""
    workspace = Path(sys.argv[1]).resolve()
    out = Path("shots")
    out.mkdir(exist_ok=True)
    only = sys.argv[2:] or PAGES
    with server(workspace) as address:
        for dark in (False, True):
            with browser_page(dark=dark) as page:
                for name in only:
                    page.goto(f"{address}/{name}")
                    page.wait_for_selector("h1")
                    settled(page)
                    page.wait_for_timeout(1500)
                    file = out / f"{name or 'Home'}-{'dark' if dark else 'light'}.png"
                    page.screenshot(path=str(file), full_page=True)
                    print(file)


if __name__ == "__main__":
    main()
