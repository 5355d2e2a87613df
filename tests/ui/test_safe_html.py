"""What a model wrote is shown as text, with what was looked for marked."""

import html as entities
import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdcore.ui.safe_html import marked, safe_html, strong_html, visible


def seen(html: str) -> str:
    """What a reader sees of the HTML."""
    numbered = re.sub(r'<li value="(\w+)">', r"\1", html)
    return entities.unescape(re.sub(r"<[^>]*>", "", numbered)).strip()


def test_model_text_is_never_html():
    html = safe_html(
        "<script>alert(1)</script> ![x](http://evil/x.png) [a](javascript:alert(1)) <img src=x> **bold** http://x.y"
    )
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html
    assert "<strong>" in html and seen(html).endswith("**bold** http://x.y")


def test_what_is_looked_for_is_marked_in_the_text_alone():
    shown = safe_html("A strong **dose** & a pDose.")
    assert marked(shown, ["dose"]).count("<mark>") == 2
    assert marked(shown, ["strong"]).count("<mark>") == 1, "the tag of the same name stays"
    assert marked(shown, ["amp"]) == shown, "an entity stays whole"
    assert marked(shown, ["(", "x*"]) == shown
    assert "<mark>5 mg</mark>" in marked(safe_html("Take 5 mg."), ["5 MG"])


@pytest.mark.parametrize(
    "text",
    [
        "1*2*3",
        "1 * 2 * 3",
        "a_b_c and \\*not\\* C:\\dose\\5",
        "AT&amp;T &lt;b&gt; &#53;",
        "**5** mg `x` ~~no~~",
        "[dose]: 50 mg",
        "[the leaflet](http://x.y 'title')",
    ],
)
def test_every_sign_of_a_line_is_seen(text):
    assert seen(safe_html(text)) == text


@pytest.mark.parametrize("depth", [25, 99, 150, 5000])
def test_what_is_nested_deep_is_seen(depth):
    began = time.monotonic()
    assert "give 500 mg" in seen(safe_html("> " * depth + "give 500 mg"))
    assert time.monotonic() - began < 2


def test_lists_keep_their_numbers_and_fences_their_language():
    html = safe_html("3. three\n4. four\n\n```python\nprint(1)\n```\n")
    assert '<li value="3">' in html and '<li value="4">' in html and "python" in seen(html)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Take 5\u202e05 mg", "Take 5⟨U+202E⟩05 mg"),
        ("a\u200bb\u2066c\ufeff", "a⟨U+200B⟩b⟨U+2066⟩c⟨U+FEFF⟩"),
        ("\x1b[2Jx\x00\x7f", "⟨U+001B⟩[2Jx⟨U+0000⟩⟨U+007F⟩"),
        ("line\r\nnext\rlast", "line\nnext⟨U+000D⟩last"),
        ("no\u200dw and \U0001f469\u200d⚕️ and می\u200cخواهم", "no⟨U+200D⟩w and \U0001f469\u200d⚕️ and می\u200cخواهم"),
        ("half \ud800", "half ⟨U+D800⟩"),
    ],
)
def test_signs_that_cant_be_seen_are_written_out(text, shown):
    assert visible(text) == shown


@given(st.text(max_size=300))
def test_no_letter_is_ever_swallowed(text):
    assert re.findall(r"\w", seen(safe_html(text))) == re.findall(r"\w", visible(text).strip())


@given(st.text(alphabet="*_`>#-1.|[]()\\!<&; \n~ab", max_size=120))
def test_nor_in_any_heap_of_marks(text):
    assert re.findall(r"\w", seen(strong_html(text))) == re.findall(r"\w", text)


def test_an_empty_text_is_nothing_and_long_words_wrap():
    assert safe_html(" \n") == ""
    assert "overflow-wrap:anywhere" in safe_html("x" * 5000)


@pytest.mark.parametrize("text", ["> " * 25 + "give 500 mg", "".join(f"{'  ' * n}- level {n}\n" for n in range(12))])
def test_what_is_nested_deep_does_not_leave_the_screen(text):
    assert "<blockquote>" not in safe_html(text) and "<ul>" not in safe_html(text)
    assert "<ul>" in safe_html("- a\n  - b\n")
