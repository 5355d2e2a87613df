"""Files that people really bring: good ones, broken ones, hostile ones. Each ends in rows or a sentence."""

import gzip
import io
import json
import zipfile
from datetime import date, datetime, time
from decimal import Decimal

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from openpyxl import Workbook

from kdcore.reading import packed
from kdcore.reading.entries import entries, plan
from kdcore.reading.files import How, read, read_files
from kdcore.reading.found import as_text


def write(tmp_path, name, data):
    path = tmp_path / name
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def found_in(tmp_path, name, data, **how):
    return read(write(tmp_path, name, data), name, How(**how), tmp_path)


def texts(found):
    return [{key: as_text(value) for key, value in row.items()} for row in found.rows]


# ---- tables ---------------------------------------------------------------------------------------------------
def test_windows_umlauts_are_read_and_said_to_be_a_guess(tmp_path):
    text = "id,question\r\n1,“Können Mieter zurückverlangen?”\r\n2,Was gilt bei § 573 – Eigenbedarf?\r\n"
    found = found_in(tmp_path, "fälle.csv", text.encode("cp1252"))
    assert found.rows[1]["question"] == "Was gilt bei § 573 – Eigenbedarf?"
    assert found.encoding == "cp1252"
    assert "cp1252" in found.guesses[0] and "Können" in found.guesses[0]
    again = found_in(tmp_path, "fälle.csv", text.encode("cp1252"), encoding="latin-1")
    assert again.rows[1]["question"] != found.rows[1]["question"]


def test_titles_above_the_table_and_the_separator_line(tmp_path):
    found = found_in(
        tmp_path, "a.csv", "Hospital report,,\nMade in May,,\n,,\nNo,Question,Ward\n1,Who signs?,Surgery\n"
    )
    assert found.rows == [{"No": "1", "Question": "Who signs?", "Ward": "Surgery"}]
    assert (found.header_row, found.places) == (4, [5])
    assert [w for w in found.warnings if "Hospital report" in w]
    assert found_in(tmp_path, "b.csv", "sep=;\nid;q\n1;Why, then?\n").rows == [{"id": "1", "q": "Why, then?"}]


def test_lists_in_brackets_do_not_part_columns(tmp_path):
    found = found_in(tmp_path, "a.csv", "id;question;icd\n1;Is it safe?;['E11']\n2;When?;['E78', 'Z01']\n")
    assert found.delimiter == ";"
    assert [row["icd"] for row in found.rows] == ["['E11']", "['E78', 'Z01']"]


def test_rows_that_do_not_fit_are_told_with_number_and_text(tmp_path):
    found = found_in(tmp_path, "a.csv", 'question,topic\na,b\nc,d,e\nf\n,\n"g"h,i\nj,k\n')
    assert [row["question"] for row in found.rows] == ["a", "j"]
    assert [(r.row, r.reason) for r in found.rejected] == [
        (3, "3 cells, the table has 2 columns"),
        (4, "1 cells, the table has 2 columns"),
        (5, "the row is empty"),
        (6, "a quotation mark inside a cell is not doubled"),
    ]
    assert found.rejected[0].text == '["c", "d", "e"]'


def test_a_quotation_mark_that_is_never_closed_loses_its_own_row_only(tmp_path):
    found = found_in(tmp_path, "a.csv", 'question,topic\na,b\n"c,d\ne,f\ng,h\n')
    assert [row["question"] for row in found.rows] == ["a", "e", "g"]
    assert found.rejected[0].reason == "a quotation mark is opened and never closed"
    assert found.rejected[0].text == '"c,d\n'


def test_short_rows_are_kept_where_the_last_columns_are_often_empty(tmp_path):
    found = found_in(tmp_path, "a.csv", "question,topic,note\na,b,\nc,d\ne,f,g\n")
    assert [row["note"] for row in found.rows] == ["", "", "g"]
    assert "row 3 has 2 of 3 cells" in found.warnings[0]


def test_columns_of_one_name_are_both_kept(tmp_path):
    found = found_in(tmp_path, "a.csv", "name,question,name\nx,Why?,y\n")
    assert found.rows == [{"name": "x", "question": "Why?", "name (2)": "y"}]


def test_a_file_without_names_of_columns(tmp_path):
    found = found_in(tmp_path, "a.csv", "Is a lease valid?,lease\nWho pays?,rent\nWhen?,time\n")
    assert found.header_row == 0 and len(found.rows) == 3
    assert found.columns == ["column 1", "column 2"]


# ---- JSON -----------------------------------------------------------------------------------------------------
ONE, TWO = {"question": "Why?", "topic": "a"}, {"question": "How?", "topic": "b"}


@pytest.mark.parametrize(
    "text",
    [
        "\n".join(json.dumps(row) for row in (ONE, TWO)),
        json.dumps([ONE, TWO]),
        json.dumps(ONE, indent=2) + "\n" + json.dumps(TWO, indent=2),
        json.dumps(ONE) + json.dumps(TWO),
        json.dumps(ONE) + ",\n" + json.dumps(TWO) + ",\n",
        json.dumps({"version": 1, "data": [ONE, TWO]}),
        json.dumps({"train": {"rows": [ONE, TWO]}}),
        json.dumps({"question": ["Why?", "How?"], "topic": ["a", "b"]}),
        "\ufeff" + "\r\n".join(json.dumps(row) for row in (ONE, TWO)),
    ],
)
@pytest.mark.parametrize("suffix", [".json", ".jsonl", ".ndjson"])
def test_json_in_every_sane_shape(tmp_path, text, suffix):
    found = found_in(tmp_path, "a" + suffix, text)
    assert found.rows == [ONE, TWO]
    assert not found.rejected


def test_json_keyed_by_id_and_in_squads_form(tmp_path):
    assert found_in(tmp_path, "a.json", json.dumps({"17": ONE, "18": TWO})).rows[1] == {"id": "18", **TWO}
    qas = [{"id": "1", "question": "Who?", "answers": [{"text": "The seller", "answer_start": 4}]}]
    squad = {"version": "2", "data": [{"title": "Sale", "paragraphs": [{"context": "The seller pays.", "qas": qas}]}]}
    [row] = found_in(tmp_path, "b.json", json.dumps(squad)).rows
    assert (row["question"], row["answer"], row["context"]) == ("Who?", "The seller", "The seller pays.")


def test_a_broken_line_is_set_aside_alone_and_doubled_keys_are_kept(tmp_path):
    lines = ['{"q": "a"}', "not json", "[1]", "[" * 100_000, '{"q": "b", "q": "c"}', '{"q": "x\u2028y"}']
    found = found_in(tmp_path, "a.jsonl", "\n".join(lines))
    assert [row["q"] for row in found.rows] == ["a", "b", "x\u2028y"]
    assert found.rows[1]["q (2)"] == "c"
    assert "line 5" in found.warnings[0]
    assert [r.row for r in found.rejected] == [2, 4, 3]
    assert found.rejected[0].text == "not json"


# ---- spreadsheets, Parquet, archives ------------------------------------------------------------------------
def workbook(*sheets):
    book = Workbook()
    book.remove(book.active)
    for name, rows, *merged in sheets:
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
        for cells in merged:
            sheet.merge_cells(cells)
    data = io.BytesIO()
    book.save(data)
    return data.getvalue()


def test_the_sheet_with_a_table_is_read_and_another_can_be_chosen(tmp_path):
    data = workbook(
        ("Read me", [["How to use this file"]]), ("Cases", [["Question", "Topic"], ["Why?", "x"], ["How?", "y"]])
    )
    found = found_in(tmp_path, "a.xlsx", data)
    assert (found.sheet, found.sheets, len(found.rows)) == ("Cases", ["Read me", "Cases"], 2)
    assert "Read me" in found.guesses[0]
    assert (
        found_in(tmp_path, "a.xlsx", data, sheet="None").rejected[0].reason.startswith('"a.xlsx" has no sheet "None"')
    )


def test_merged_cells_titles_dates_and_numbers_of_a_sheet(tmp_path):
    rows = [
        ["Catalogue 2025"],
        [],
        ["Topic", "Question", "On", "At", "Amount", "No"],
        ["Heart", "Why?", date(2024, 3, 1), time(14, 30), 12.5, 1],
        [None, "How?", datetime(2024, 3, 1, 8, 15), time(9, 0), 3, 2],
    ]
    found = found_in(tmp_path, "a.xlsx", workbook(("S", rows, "A4:A5")))
    assert found.header_row == 3 and found.places == [4, 5]
    assert texts(found) == [
        {"Topic": "Heart", "Question": "Why?", "On": "2024-03-01", "At": "14:30", "Amount": "12.5", "No": "1"},
        {"Topic": "Heart", "Question": "How?", "On": "2024-03-01 08:15", "At": "09:00", "Amount": "3", "No": "2"},
    ]


def test_parquet_gives_dates_decimals_and_bytes_as_people_write_them(tmp_path):
    table = pa.table({"q": ["Why?"], "on": [date(2024, 3, 1)], "mg": [Decimal("12.50")], "raw": [b"ab"], "n": [None]})
    pq.write_table(table, tmp_path / "a.parquet")
    found = read(tmp_path / "a.parquet", "a.parquet", How(), tmp_path)
    assert texts(found) == [{"q": "Why?", "on": "2024-03-01", "mg": "12.50", "raw": "ab", "n": ""}]


def test_compressed_files_and_archives(tmp_path):
    text = b'{"question": "Why?"}\n'
    for name, data in {"a.jsonl.gz": gzip.compress(text), "a.jsonl.zst": zstandard.compress(text)}.items():
        assert found_in(tmp_path, name, data).rows == [{"question": "Why?"}]
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one/a.jsonl", text)
        archive.writestr("b.csv", "question\nHow?\nWho?\n")
        archive.writestr("__MACOSX/._b.csv", "x")
        archive.writestr("picture.png", b"\x89PNG")
    assert packed.count(tmp_path / "a.zip", "a.zip") == 3, "what a bar goes up to"
    found = list(read_files(tmp_path / "a.zip", "a.zip", How(), tmp_path))
    assert [(each.name, len(each.rows)) for each in found] == [("one/a.jsonl", 1), ("b.csv", 2), ("picture.png", 0)]
    assert "unknown kind" in found[2].rejected[0].reason


@pytest.mark.parametrize(
    ("name", "data", "word"),
    [
        ("a.png", b"\x89PNG", "unknown kind"),
        ("a.csv", b"", "is empty"),
        ("a.csv", b"question,topic\n", "no usable row"),
        ("a.jsonl", b"[]", "no usable row"),
        ("a.jsonl", b"\n\n", "no usable row"),
        ("a.json", b"{", "no JSON"),
        ("a.parquet", b"PAR1nonsensePAR1", "not a readable Parquet"),
        ("a.xlsx", b"PK\x03\x04nonsense", "can't be read as a spreadsheet"),
        ("a.jsonl.gz", b"\x1f\x8b\x08nonsense", "can't be unpacked"),
        ("a.jsonl.zst", b"\x28\xb5\x2f\xfd", "cut off"),
        ("a.pdf", b"%PDF", "not a readable PDF"),
        ("a.docx", b"PK", "not a readable Word file"),
        ("a.xml", b"<a><b></a>", "not well-formed XML"),
    ],
)
def test_what_can_not_be_read_is_one_sentence(tmp_path, name, data, word):
    found = found_in(
        tmp_path, name, data, seed_kind="document" if name.endswith(("pdf", "docx", "xml")) else "question"
    )
    assert not found.rows
    assert word in found.rejected[0].reason
    assert str(tmp_path) not in found.rejected[0].reason


# ---- shapes ---------------------------------------------------------------------------------------------------
def asked(tmp_path, name, data, kind="question", **mapping):
    found = found_in(tmp_path, name, data if isinstance(data, str) else json.dumps(data))
    how = plan(found, mapping, kind)
    return how, [(entry, labels) for _, entry, labels in entries(found, how, kind)], found


TALK = [
    {"from": "system", "value": "You are a notary's assistant."},
    {"from": "human", "value": "May I sign by video?"},
    {"from": "gpt", "value": "It depends."},
    {"from": "human", "value": "And here?"},
    {"from": "gpt", "value": "Come in person."},
]


def test_sharegpt_and_messages_give_the_last_question_with_what_led_to_it(tmp_path):
    how, [(entry, _)], _ = asked(tmp_path, "a.json", [{"id": "c1", "conversations": TALK}])
    assert how.shape == "sharegpt"
    assert (entry.question, entry.answer) == ("And here?", "Come in person.")
    assert entry.system == "You are a notary's assistant."
    assert [turn["role"] for turn in entry.turns] == ["user", "assistant"]
    assert entry.fields["id"] == "c1"
    parts = [
        {"role": "user", "content": [{"type": "text", "text": "What is a codicil?"}, {"type": "image_url"}]},
        {"role": "assistant", "content": "An amendment."},
    ]
    how, [(entry, _)], _ = asked(tmp_path, "b.jsonl", [{"messages": parts, "topic": "wills"}])
    assert (how.shape, entry.question, entry.answer) == ("messages", "What is a codicil?", "An amendment.")


def test_alpaca_asks_instruction_and_input_together(tmp_path):
    rows = [
        {"instruction": "Summarise.", "input": "The lessee pays.", "output": "The renter pays."},
        {"instruction": "Summarise.", "input": "The lessor pays.", "output": "The owner pays."},
        {"instruction": "Name two effects.", "input": "", "output": "Swelling."},
    ]
    how, found, _ = asked(tmp_path, "a.json", rows)
    assert how.shape == "alpaca"
    assert [entry.question for entry, _ in found] == [
        "Summarise.\n\nThe lessee pays.",
        "Summarise.\n\nThe lessor pays.",
        "Name two effects.",
    ]
    assert [entry.answer for entry, _ in found] == ["The renter pays.", "The owner pays.", "Swelling."]


def test_pairs_and_prompts_with_completions(tmp_path):
    row = {"prompt": "Why?", "chosen": "Because.", "rejected": "No."}
    how, [(entry, _)], _ = asked(tmp_path, "a.json", [row])
    assert (how.shape, entry.answer, entry.rejected) == ("preference", "Because.", "No.")
    chat = [{"role": "user", "content": "Why?"}]
    both = {side: [*chat, {"role": "assistant", "content": side}] for side in ("chosen", "rejected")}
    _, [(entry, _)], _ = asked(tmp_path, "b.json", [both])
    assert (entry.question, entry.answer, entry.rejected) == ("Why?", "chosen", "rejected")
    how, [(entry, _)], _ = asked(tmp_path, "c.jsonl", [{"prompt": "Why?", "completion": "So."}])
    assert (how.shape, entry.question, entry.answer) == ("prompt_completion", "Why?", "So.")


@pytest.mark.parametrize(
    ("text", "column"),
    [
        (
            "ID,section,patient_message,note\n0,GEN,I have had a dry cough for weeks.,C\n1,CC,My knee locks.,K\n",
            "patient_message",
        ),
        ("Nr;Frage;Thema\n1;Wann verjährt ein Anspruch?;Zivilrecht\n2;Wer erbt?;Erbrecht\n", "Frage"),
        (
            "uuid,body_of_it\na1,Is an oral lease valid in this state?\nb2,Who may witness a will here?\n",
            "body_of_it",
        ),
        ("question_id,question\n1,Why?\n2,How?\n", "question"),
    ],
)
def test_an_id_is_never_taken_for_a_question(tmp_path, text, column):
    how, found, _ = asked(tmp_path, "a.csv", text)
    assert how.mapping["text"] == column
    assert len(found) == 2


def test_where_no_column_looks_like_a_question_a_person_is_asked(tmp_path):
    found = found_in(tmp_path, "a.csv", "id,code,year\n1,E11,2024\n2,E12,2023\n")
    how = plan(found, {}, "question")
    with pytest.raises(Exception, match="which column"):
        list(entries(found, how, "question"))


def test_columns_with_inner_names_stay_and_rows_that_are_the_same_are_told(tmp_path):
    text = "question,seed_id,domain\nIs it?,X1,law\nIs it?,X1,law\n"
    _, found, file = asked(tmp_path, "a.csv", text)
    assert [entry.fields for entry, _ in found] == [{"seed_id (2)": "X1", "domain": "law"}]
    assert file.rejected[0].reason == "it is the same as row 2"
