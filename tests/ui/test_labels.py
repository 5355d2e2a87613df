"""Words and figures as people read them."""

from kdcore.ui.labels import counted, duration, sentence, short


def test_words():
    assert [duration(s) for s in (None, 4.4, 200, 7500)] == ["–", "4 s", "3 min 20 s", "2 h 5 min"]
    assert [counted(n, "row") for n in (0, 1, 1200)] == ["0 rows", "1 row", "1,200 rows"]
    assert short("a  b\nc", 5) == "a b c"
    assert short("abcdefgh", 5) == "abcd…"


def test_a_message_begins_with_a_capital_and_none_of_its_signs_is_markup():
    assert sentence("a_b is *new*") == "A\\_b is \\*new\\*"
    assert sentence("") == ""
