"""What a model wrote is shown as text, with what was looked for marked."""

from kdcore.ui.safe_html import marked, safe_html


def test_model_text_is_never_html():
    html = safe_html(
        "<script>alert(1)</script> ![x](http://evil/x.png) [a](javascript:alert(1)) <img src=x> **bold** http://x.y"
    )
    assert "<script" not in html
    assert "<img" not in html
    assert "href" not in html
    assert "<strong>bold</strong>" in html


def test_what_is_looked_for_is_marked_in_the_text_alone():
    shown = safe_html("A strong **dose** & a pDose.")
    assert marked(shown, ["dose"]).count("<mark>") == 2
    assert marked(shown, ["strong"]).count("<mark>") == 1, "the tag of the same name stays"
    assert marked(shown, ["amp"]) == shown, "an entity stays whole"
    assert marked(shown, ["(", "x*"]) == shown
    assert "<mark>5 mg</mark>" in marked(safe_html("Take 5 mg."), ["5 MG"])
