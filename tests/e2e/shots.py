"""``make shots``: each page of a workspace in both themes and four sizes, into shots/, and a sheet of each theme."""

from __future__ import annotations

import sys
from pathlib import Path

from PIL import Image

from kdcore.ui.shell import PAGES
from tests.e2e.browser import browser_page, server, settled

SIZES = ((1280, 720), (1440, 900), (2560, 1440), (390, 844))
THUMB, GAP = 480, 12  # pixels wide on a sheet, and between pictures


def main() -> None:
    """Take the pictures, then lay them side by side: a row for each page, a column for each size."""
    workspace = Path(sys.argv[1]).resolve()
    out = Path("shots")
    out.mkdir(exist_ok=True)
    only = sys.argv[2:] or ("", *PAGES, "Guide")
    with server(workspace) as address:
        for theme in ("light", "dark"):
            taken: dict[tuple[str, int], Path] = {}
            for width, height in SIZES:
                with browser_page(dark=theme == "dark", width=width, height=height) as page:
                    for name in only:
                        page.goto(f"{address}/{name}")
                        page.wait_for_selector("h1", state="attached")
                        settled(page)
                        page.wait_for_timeout(1500)
                        file = out / f"{name or 'Home'}-{theme}-{width}.png"
                        page.screenshot(path=str(file))
                        taken[name, width] = file
                        print(file)
            sheet(taken, out / f"sheet-{theme}.png")


def sheet(taken: dict[tuple[str, int], Path], target: Path) -> None:
    """One picture of all: each shrunk to the width of a thumb."""
    names = list(dict.fromkeys(name for name, _ in taken))
    tall = max(round(THUMB * height / width) for width, height in SIZES if width > height)
    whole = Image.new("RGB", ((THUMB + GAP) * len(SIZES), (tall + GAP) * len(names)), "#888888")
    for (name, width), file in taken.items():
        with Image.open(file) as picture:
            picture.thumbnail((THUMB, tall))
            column = next(number for number, (wide, _) in enumerate(SIZES) if wide == width)
            whole.paste(picture, (column * (THUMB + GAP), names.index(name) * (tall + GAP)))
    whole.save(target)
    print(target)


if __name__ == "__main__":
    main()
