"""Tables by RFC 4180: 2,000 random files, and the ways in which real ones go wrong."""

import random
from pathlib import Path

import pytest

from kdcore.reading.files import How, read

WORDS = ["May", "dose", "5 mg/kg", "§ 12", "naïve", "Größe", "l'acte", "clause 3", "yes", "2024-03-01", "12.5", "a"]
ODD = [
    'say "no"',
    "one; two",
    "one, two",
    "tab\there",
    "pipe | pipe",
    "line\nbreak",
    "crlf\r\nbreak",
    '"',
    '""',
    "",
    " x ",
]
DELIMITERS = [",", ";", "\t", "|"]
UNICODE = ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"]


def cell(chance: random.Random) -> str:
    words = [chance.choice(WORDS) for _ in range(chance.randint(1, 6))]
    if chance.random() < 0.25:
        words.insert(chance.randrange(len(words) + 1), chance.choice(ODD))
    return " ".join(words) if chance.random() < 0.95 else chance.choice(ODD)


def written(rows: list[list[str]], delimiter: str, end: str, quoting: str, chance: random.Random) -> str:
    """Rows as RFC 4180 has them; ``quoting`` is all, some or least."""

    def one(text: str) -> str:
        needs = any(sign in text for sign in (delimiter, '"', "\n", "\r")) or text == ""
        if quoting == "all" or needs or (quoting == "some" and chance.random() < 0.3):
            return '"' + text.replace('"', '""') + '"'
        return text

    return end.join(delimiter.join(one(text) for text in row) for row in rows) + end


def made(seed: int) -> tuple[list[list[str]], str, str, str]:
    """Rows with a header, the text of the file, its delimiter and encoding."""
    chance = random.Random(seed)
    width, length = chance.randint(2, 6), chance.randint(3, 12)
    header = [f"{cell(chance).strip()} {place}" for place in range(width)]
    rows = [header] + [[cell(chance) for _ in range(width)] for _ in range(length)]
    for row in rows[1:]:
        row[0] = row[0] or "x"  # a row of empty cells is no row
    delimiter = chance.choice(DELIMITERS)
    text = written(
        rows, delimiter, chance.choice(["\n", "\r\n", "\r"]), chance.choice(["all", "some", "least"]), chance
    )
    return rows, text, delimiter, chance.choice(UNICODE)


def as_read(path: Path, how: How) -> list[list[str]]:
    found = read(path, path.name, how, path.parent)
    assert not found.rejected, found.rejected
    return [found.columns, *([row[name] for name in found.columns] for row in found.rows)]


EIGHT_BIT = ["cp1252", "iso-8859-1", "iso-8859-15", "mac-roman", "cp850"]


@pytest.mark.parametrize("encoding", EIGHT_BIT)
def test_random_files_in_eight_bits_are_exact_when_it_is_said_and_a_guess_when_not(tmp_path, encoding):
    for seed in range(100):
        rows, text, delimiter, _ = made(seed)
        path = tmp_path / f"{seed}.csv"
        path.write_bytes(text.encode(encoding))
        assert as_read(path, How(encoding=encoding, delimiter=delimiter, header_row=1)) == rows, (seed, text)
        found = read(path, path.name, How(), tmp_path)
        if not text.isascii():
            assert any("the encoding is taken to be" in guess and "as in" in guess for guess in found.guesses), seed


@pytest.mark.parametrize("batch", range(20))
def test_random_files_are_read_exactly(tmp_path, batch):
    for seed in range(batch * 100, batch * 100 + 100):
        rows, text, delimiter, encoding = made(seed)
        path = tmp_path / f"{seed}.csv"
        path.write_bytes(text.encode(encoding))
        given = How(encoding=encoding, delimiter=delimiter, header_row=1)
        assert as_read(path, given) == rows, (seed, text)
        assert as_read(path, How()) == rows, (seed, delimiter, encoding, text)
