"""What comes with the program besides its code: sample data, the pages.

In a checkout they lie beside the package, in a wheel inside it (see ``force-include`` in pyproject.toml).
"""

from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parent
INSIDE = PACKAGE / "_resources"  # only in a wheel
HOME = INSIDE if INSIDE.is_dir() else PACKAGE.parent
DATA = HOME / "data"
SEEDS = DATA / "seeds"
MARK = DATA / "mark.svg"  # of the browser's tab
GUIDE = HOME / "docs" / "guide"  # six short pages, shown in the app
LOGO = DATA / "logo.svg"  # mark and name, at the left of the menu
GENERAL = DATA / "general.jsonl"
APP = HOME / "app.py"  # the server
MAIN = HOME / "pages" / "0_Home.py"  # the script that the server runs: the menu, then a page
SETUP = "kd setup" if INSIDE.is_dir() else "make setup"  # what brings the missing packages and models
IMPORT_ROOT = PACKAGE.parent  # the folder from which this very kdcore is imported, also by child processes
