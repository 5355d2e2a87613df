"""Documents become passages that fit, cut where a reader would cut them, with headings, pages and places kept."""

import io
from itertools import pairwise

import pytest
from docx import Document

from kdcore.reading.block import Block
from kdcore.reading.files import How, read
from kdcore.reading.passages import cut, tokens_of

SECRET = (
    "The Supplier shall keep the Confidential Information secret and shall not disclose it except as required by law."
)


def passages(tmp_path, name, data, **how):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return read(path, name, How(seed_kind="document", **how), tmp_path)


CONTRACT = [f"{number}. {SECRET}" for number in range(1, 121)]


@pytest.mark.parametrize("between", ["\n\n", "\n", "  ", "\r", " \n \n"])
def test_a_contract_is_cut_between_clauses_however_its_lines_end(tmp_path, between):
    found = passages(tmp_path, "contract.txt", between.join(CONTRACT))
    sizes = [tokens_of(row["text"]) for row in found.rows]
    assert 5 < len(sizes) < 20
    assert max(sizes) <= 400
    for row in found.rows:  # no passage begins or ends in a clause's number
        assert row["text"].split()[0].rstrip(".").isdigit()
        assert row["text"].endswith("law.")
    whole = " ".join(" ".join(row["text"].split()) for row in found.rows)
    assert whole == " ".join(CONTRACT)


def test_page_headers_footers_and_numbers_are_left_out_and_said(tmp_path):
    pages = [f"ACME Master Agreement\n\n{number}.1 {SECRET}\n\nPage {number} of 6\n" for number in range(1, 7)]
    found = passages(tmp_path, "a.txt", "\f".join(pages))
    text = "\n".join(row["text"] for row in found.rows)
    assert "ACME" not in text and "Page" not in text
    assert all(f"{number}.1 The Supplier" in text for number in range(1, 7))
    assert found.rows[0]["page"] == 1 and found.rows[-1]["page"] >= 1
    assert [w for w in found.warnings if w.startswith('6 lines like "ACME')]


def test_a_footer_without_page_breaks_is_known_by_its_number(tmp_path):
    part = "\n\n".join(
        f"{SECRET}\n\n{number}\n\n{number}  Source: ACME, INC., 8-K, 3/26/2020" for number in range(1, 6)
    )
    found = passages(tmp_path, "a.txt", part)
    assert "Source" not in "\n".join(row["text"] for row in found.rows)


def test_numbered_headings_are_no_footers(tmp_path):
    text = "\n\n".join(f"ARTICLE {number}\n\n{SECRET} {SECRET} {SECRET}" for number in range(1, 6))
    found = passages(tmp_path, "a.txt", text)
    assert [row["heading"] for row in found.rows] == [f"ARTICLE {number}" for number in range(1, 6)]
    again = passages(tmp_path, "b.txt", "\f".join(f"EXHIBIT 10.2\n\n{number}.1 {SECRET}" for number in range(1, 6)))
    assert "EXHIBIT" not in str(again.rows)


def test_headings_make_a_path_and_short_pieces_are_joined(tmp_path):
    text = f"# Lease\n\n## Rent\n\n{SECRET}\n\n## Term\n\nOne year.\n\n{SECRET * 3}"
    found = passages(tmp_path, "lease.md", text, size=120)
    assert found.rows[0]["heading"] == "Lease › Rent"
    assert {row["group"] for row in found.rows} == {"lease"}
    assert "One year." not in [row["text"] for row in found.rows]


def test_sentences_are_not_cut_at_numbers_and_abbreviations():
    text = "See Sec. 2.1 and No. 5 of the Act, e.g. art. 7. The second sentence is here. v. Smith holds. Third."
    found = cut([Block(text * 4)], 40)
    assert all(not passage.text.endswith(("Sec.", "No.", "e.g.", "art.", "v.")) for passage in found)
    assert max(tokens_of(passage.text) for passage in found) <= 40


def test_overlap_repeats_the_end_of_the_passage_before():
    sentences = [f"This is sentence number {number} of the text." for number in range(30)]
    found = cut([Block(" ".join(sentences))], 60, overlap=15)
    for before, after in pairwise(found):
        assert after.text.startswith(before.text.rsplit(". ", 1)[1])
    assert len(cut([Block(" ".join(sentences))], 60)) < len(found)


def test_a_word_without_end_is_cut_too():
    found = cut([Block("x" * 20_000)], 100)
    assert "".join(passage.text for passage in found) == "x" * 20_000


def test_word_html_and_xml(tmp_path):
    document = Document()
    document.add_heading("Lease", 1)
    document.add_paragraph("The tenant pays rent.")
    table = document.add_table(1, 2)
    table.rows[0].cells[0].text, table.rows[0].cells[1].text = "Deposit", "two months"
    data = io.BytesIO()
    document.save(data)
    [row] = passages(tmp_path, "a.docx", data.getvalue()).rows
    assert (row["heading"], row["text"]) == ("Lease", "The tenant pays rent.\n\nDeposit | two months")
    page = "<nav>Menu</nav><script>x()</script><h1>Lease</h1><p>The tenant <b>pays</b>.</p><ul><li>One</li></ul>"
    [row] = passages(tmp_path, "a.html", page).rows
    assert (row["heading"], row["text"]) == ("Lease", "The tenant pays.\n\nOne")
    jats = (
        "<article><front><article-title>Walking</article-title></front><body><sec><title>Results</title>"
        "<p>Stay was <i>shorter</i>.</p></sec></body><back><ref-list><p>Not this.</p></ref-list></back></article>"
    )
    [row] = passages(tmp_path, "a.xml", jats).rows
    assert (row["heading"], row["text"]) == ("Walking › Results", "Stay was shorter.")


def test_xml_of_repeated_records_is_a_table_of_questions(tmp_path):
    pairs = "".join(
        f'<Pair pid="{n}"><Question qtype="cause">Why {n}?</Question><Answer>So.</Answer></Pair>' for n in (1, 2)
    )
    path = tmp_path / "a.xml"
    path.write_text(f"<Document><Focus>Gout</Focus><Pairs>{pairs}</Pairs></Document>")
    found = read(path, "a.xml", How(), tmp_path)
    assert found.rows[0]["Question"] == "Why 1?"
    assert (found.rows[1]["Answer"], found.rows[1]["qtype"], found.rows[1]["Focus"]) == ("So.", "cause", "Gout")


def test_one_record_is_a_table_too_and_a_list_of_codes_is_none(tmp_path):
    path = tmp_path / "a.xml"
    codes = "<Codes><CUI>C1</CUI><CUI>C2</CUI></Codes>"
    pair = "<QAPair><Question>What is a clot?</Question><Answer>Thick blood.</Answer></QAPair>"
    path.write_text(f"<Document><Focus>Clots</Focus>{codes}<QAPairs>{pair}</QAPairs></Document>")
    found = read(path, "a.xml", How(), tmp_path)
    assert [(row["Question"], row["Answer"]) for row in found.rows] == [("What is a clot?", "Thick blood.")]
    path.write_text(f"<Document><Focus>Clots</Focus>{codes}<QAPairs/></Document>")
    assert not list(read(path, "a.xml", How(), tmp_path).rows)


def test_content_controls_and_tracked_changes_of_word_are_read_as_accepted(tmp_path):
    from docx.oxml import parse_xml
    from docx.oxml.ns import nsdecls

    document = Document()
    body, ns = document.element.body, nsdecls("w")
    run = "<w:r><w:t xml:space='preserve'>{}</w:t></w:r>"
    gone = "<w:del w:id='2' w:author='a'><w:r><w:delText>sixty</w:delText></w:r></w:del>"
    new = f"<w:ins w:id='1' w:author='a'>{run.format('thirty')}</w:ins>"
    name = f"<w:sdt><w:sdtContent>{run.format('Muster GmbH')}</w:sdtContent></w:sdt>"
    inside = (
        f"<w:p {ns}>{run.format('Notice to ')}{name}{run.format(' within ')}{gone}{new}{run.format(' days.')}</w:p>"
    )
    body.insert(0, parse_xml(inside))
    whole = f"<w:sdt {ns}><w:sdtContent><w:p>{run.format('Rent is paid monthly.')}</w:p></w:sdtContent></w:sdt>"
    body.insert(1, parse_xml(whole))
    document.save(str(tmp_path / "made.docx"))
    found = passages(tmp_path, "a.docx", (tmp_path / "made.docx").read_bytes())
    text = " ".join(row["text"] for row in found.rows)
    assert "Notice to Muster GmbH within thirty days." in text
    assert "Rent is paid monthly." in text


def test_a_page_within_a_form_is_read_and_what_stands_around_is_said(tmp_path):
    page = (
        "<body><nav>Home Contact</nav><form><main><article><header><h1>Leave</h1></header><p>Twenty days a year.</p>"
        "</article></main></form><footer>Imprint</footer></body>"
    )
    found = passages(tmp_path, "a.html", page)
    [row] = found.rows
    assert (row["heading"], row["text"]) == ("Leave", "Twenty days a year.")
    assert any("Home Contact Imprint" in warning for warning in found.warnings)


def test_entities_of_an_xml_file_are_not_followed(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("KEY")
    text = f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{secret}">]><article><p>One &x; two.</p></article>'
    assert "KEY" not in str(passages(tmp_path, "a.xml", text).rows)


def test_a_scan_is_said_to_be_one(tmp_path):
    import pypdfium2

    pdf = pypdfium2.PdfDocument.new()
    pdf.new_page(200, 200)
    pdf.save(str(tmp_path / "scan.pdf"))
    found = read(tmp_path / "scan.pdf", "scan.pdf", How(seed_kind="document"), tmp_path)
    assert "is a scan" in found.rejected[0].reason


def test_a_list_of_questions_is_one_a_line(tmp_path):
    path = tmp_path / "q.txt"
    path.write_text("Why?\n\nHow?\n")
    found = read(path, "q.txt", How(), tmp_path)
    assert [row["text"] for row in found.rows] == ["Why?", "How?"] and found.places == [1, 3]
