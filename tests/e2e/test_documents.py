"""In Chromium, on the real teacher: a contract in Word becomes passages, questions, a mended answer and files."""

import io
import json
import zipfile
from pathlib import Path

import pytest
from docx import Document
from openpyxl import load_workbook

from tests.e2e.browser import browser_page, button, named, open_page, server, settled
from tests.e2e.test_elicitation import run_to, take
from tests.e2e.test_journey import workspace

__all__ = ["workspace"]
pytestmark = [pytest.mark.e2e, pytest.mark.models]

CLAUSES = {
    "Rent": "The tenant pays rent of 900 euros on the first day of each month. Rent that is late bears interest.",
    "Deposit": "The tenant pays a deposit of two months' rent. The landlord returns it at the end of the lease.",
    "Notice": "Either side may end the lease by notice of three months. The notice must be in writing.",
}


def contract(folder: Path) -> Path:
    document = Document()
    document.add_heading("Lease", 1)
    for name, text in CLAUSES.items():
        document.add_heading(name, 2)
        document.add_paragraph(" ".join([text] * 4))
    document.save(str(folder / "lease.docx"))
    return folder / "lease.docx"


def test_a_contract_becomes_passages_questions_and_files_for_others(workspace: Path, tmp_path: Path):
    with server(workspace) as address, browser_page() as page:
        _passages(page, address, contract(tmp_path))
        take(page, address, "question answer passage", "passage_questions")
        run_to(page, address, 3)
        _mend_and_accept(page, address)
        _freeze(page, address)
        sheet = load_workbook(io.BytesIO(_download(page, "xlsx"))).active
        assert "Mended by hand." in [cell.value for row in sheet.iter_rows() for cell in row]
        with zipfile.ZipFile(io.BytesIO(_download(page, "sharegpt"))) as archive:
            lines = archive.read("train.jsonl").decode().splitlines()
        talks = [json.loads(line)["conversations"] for line in lines]
        assert all([turn["from"] for turn in talk][-2:] == ["human", "gpt"] for talk in talks)
        assert "Mended by hand." in [talk[-1]["value"] for talk in talks]


def _passages(page, address: str, path: Path):
    page.goto(address)
    page.get_by_label("Name", exact=True).fill("Leases")
    button(page, "Create project").click()
    page.get_by_text("Import questions").first.wait_for()
    open_page(page, address, "Elicit")
    page.get_by_text("Documents, cut into passages").click()
    settled(page)
    page.locator("input[type=file]").set_input_files(str(path))
    page.get_by_text("3 passages · 0 left out").wait_for()
    settled(page)
    button(page, "Join with the next").first.click()
    page.get_by_text("3 passages · 1 left out · 1 changed").wait_for()
    settled(page)
    button(page, "Import").click()
    page.get_by_text("2 seeds imported").wait_for()
    settled(page)


def _mend_and_accept(page, address: str):
    open_page(page, address, "Review")
    named(page)
    button(page, "Edit").click()
    page.get_by_label("Answer").fill("Mended by hand.")
    button(page, "Save").click()
    page.get_by_text("1 edited").first.wait_for()
    settled(page)
    button(page, "Accept").click()
    page.get_by_text("1 accepted").first.wait_for()
    settled(page)


def _freeze(page, address: str):
    open_page(page, address, "Datasets")
    settled(page)
    button(page, "Freeze").click()
    page.get_by_text("Content hash").wait_for()
    settled(page)


def _download(page, name: str) -> bytes:
    base = page.url.split("&format=")[0].split("&see=")[0]
    page.goto(f"{base}&see=export&format={name}")
    settled(page)
    button(page, "Prepare").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Download").first.click()
    return Path(waiting.value.path()).read_bytes()
