"""Word files as people read them: clause numbers that Word counts itself, and notes at their place."""

import pytest
from docx import Document
from docx.opc.constants import RELATIONSHIP_TYPE
from docx.opc.packuri import PackURI
from docx.opc.part import Part
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from kdcore.reading.found import Found
from kdcore.reading.word.blocks import blocks
from kdcore.reading.word.numbers import roman, shown

NS = nsdecls("w")


def level(at: int, form: str, text: str, more: str = "") -> str:
    looks = f'<w:numFmt w:val="{form}"/>{more}<w:lvlText w:val="{text}"/>'
    return f'<w:lvl w:ilvl="{at}"><w:start w:val="1"/>{looks}</w:lvl>'


CLAUSES = (
    level(0, "decimal", "§ %1", '<w:pStyle w:val="Clause"/>')
    + level(1, "decimal", "%1.%2")
    + level(2, "lowerLetter", "(%3)")
    + level(3, "lowerRoman", "%4.")
    + level(4, "bullet", "•")
)


def made(tmp_path, paragraphs):
    """A file of ``(text, list, level)`` or ``(text, style)``; the lists 70 and 71 have the look of clauses."""
    document = Document()
    root = document.part.numbering_part.element
    for node in list(root):
        root.remove(node)
    root.append(parse_xml(f'<w:abstractNum {NS} w:abstractNumId="7">{CLAUSES}</w:abstractNum>'))
    root.append(parse_xml(f'<w:num {NS} w:numId="70"><w:abstractNumId w:val="7"/></w:num>'))
    again = '<w:lvlOverride w:ilvl="0"><w:startOverride w:val="1"/></w:lvlOverride>'
    root.append(parse_xml(f'<w:num {NS} w:numId="71"><w:abstractNumId w:val="7"/>{again}</w:num>'))
    document.styles.element.append(
        parse_xml(
            f'<w:style {NS} w:type="paragraph" w:styleId="Clause"><w:name w:val="Clause"/>'
            '<w:pPr><w:numPr><w:numId w:val="70"/></w:numPr></w:pPr></w:style>'
        )
    )
    own = (
        f'<w:style {NS} w:type="paragraph" w:styleId="Own"><w:name w:val="Own"/><w:basedOn w:val="Clause"/></w:style>'
    )
    document.styles.element.append(parse_xml(own))
    for text, *how in paragraphs:
        own = f'<w:pStyle w:val="{how[0]}"/>' if len(how) == 1 and how[0] else ""
        if len(how) == 2:
            own = f'<w:numPr><w:ilvl w:val="{how[1]}"/><w:numId w:val="{how[0]}"/></w:numPr>'
        part = parse_xml(f"<w:p {NS}><w:pPr>{own}</w:pPr><w:r><w:t>{text}</w:t></w:r></w:p>")
        document.element.body.insert(len(document.element.body) - 1, part)
    document.save(str(tmp_path / "made.docx"))
    return [block.text for block in blocks(tmp_path / "made.docx", Found("made.docx"))]


def test_clauses_have_the_numbers_that_word_shows(tmp_path):
    found = made(
        tmp_path,
        [
            ("Rent", 70, 0),
            ("The rent is due.", 70, 1),
            ("monthly", 70, 2),
            ("in cash", 70, 3),
            ("by bank", 70, 3),
            ("yearly", 70, 2),
            ("a mark only", 70, 4),
            ("The rent rises.", 70, 1),
            ("Notice", 70, 0),
            ("Notice is written.", 70, 1),
            ("No number.", ""),
            ("None at all.", 0, 0),
        ],
    )
    assert found == [
        *("§ 1 Rent", "1.1 The rent is due.", "(a) monthly", "i. in cash", "ii. by bank", "(b) yearly"),
        *("a mark only", "1.2 The rent rises.", "§ 2 Notice", "2.1 Notice is written.", "No number.", "None at all."),
    ]


def test_numbers_come_by_styles_too_and_a_list_may_begin_anew(tmp_path):
    found = made(tmp_path, [("A", "Clause"), ("B", "Own"), ("C", 71, 0), ("D", 71, 0), ("E", 70, 0)])
    assert found == ["§ 1 A", "§ 2 B", "§ 1 C", "§ 2 D", "§ 3 E"]


@pytest.mark.parametrize(
    ("number", "form", "text"),
    [
        *(
            (27, "lowerLetter", "aa"),
            (28, "upperLetter", "BB"),
            (4, "upperRoman", "IV"),
            (1994, "lowerRoman", "mcmxciv"),
        ),
        *((3, "decimalZero", "03"), (3, "ordinal", "3"), (0, "lowerLetter", "")),
    ],
)
def test_numbers_in_every_form(number, form, text):
    assert shown(number, form) == text


def test_roman_numbers():
    assert [roman(n) for n in (1, 4, 9, 14, 40, 90, 400)] == ["i", "iv", "ix", "xiv", "xl", "xc", "cd"]


def test_notes_stand_after_their_paragraph(tmp_path):
    document = Document()
    note = "<w:footnote w:id='{}'><w:p><w:r><w:footnoteRef/><w:t>{}</w:t></w:r></w:p></w:footnote>"
    notes = note.format(2, "See <w:rubbish/>".replace("<w:rubbish/>", "section 5.")) + note.format(
        3, "Unless agreed."
    )
    separator = "<w:footnote w:type='separator' w:id='0'><w:p/></w:footnote>"
    blob = f"<w:footnotes {NS}>{separator}{notes}</w:footnotes>".encode()
    kind = "application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"
    part = Part(PackURI("/word/footnotes.xml"), kind, blob, document.part.package)
    document.part.relate_to(part, RELATIONSHIP_TYPE.FOOTNOTES)
    run = "<w:r><w:t xml:space='preserve'>{}</w:t></w:r>"
    mark = "<w:r><w:footnoteReference w:id='{}'/></w:r>"
    text = run.format("Rent") + mark.format(2) + run.format(" is due") + mark.format(3) + run.format(".")
    document.element.body.insert(0, parse_xml(f"<w:p {NS}>{text}</w:p>"))
    document.element.body.insert(1, parse_xml(f"<w:p {NS}>{run.format('Next.')}</w:p>"))
    document.save(str(tmp_path / "notes.docx"))
    found = [block.text for block in blocks(tmp_path / "notes.docx", Found("notes.docx"))]
    assert found[:4] == ["Rent[1] is due[2].", "[1] See section 5.", "[2] Unless agreed.", "Next."]
