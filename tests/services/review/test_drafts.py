"""What was typed and not saved outlives the app, and belongs to one person and one answer."""

from pathlib import Path

from kdcore.services.review import drafts
from kdcore.services.workspace import App, open_app

TYPED = {"question": "Q", "answer": "Take 5", "note": "", "time": 2000.0}


def test_a_draft_outlives_the_app(tmp_path: Path):
    app = open_app(tmp_path / "ws")
    drafts.keep(app, "s1", "Dr A", TYPED, "rev")
    app.close()
    again = open_app(tmp_path / "ws")
    found = drafts.of(again, "s1", "Dr A")
    assert found is not None and (found["answer"], found["seen"]) == ("Take 5", "rev")
    assert drafts.of(again, "s1", "Dr B") is None and drafts.of(again, "s2", "Dr A") is None
    assert [each["sample_id"] for each in drafts.of_reviewer(again, "Dr A")] == ["s1"]
    drafts.discard(again, "s1", "Dr A")
    assert drafts.of(again, "s1", "Dr A") is None
    again.close()


def test_what_was_typed_later_wins_whatever_arrives_last(app: App):
    drafts.keep(app, "s1", "Dr A", TYPED | {"answer": "Take 5 mg", "time": 3000.0}, "rev")
    drafts.keep(app, "s1", "Dr A", TYPED, "rev")
    found = drafts.of(app, "s1", "Dr A")
    assert found is not None and found["answer"] == "Take 5 mg"


def test_a_damaged_draft_is_none(app: App):
    drafts.keep(app, "s1", "Dr A", TYPED, "rev")
    [path] = (app.folders.root / "drafts").iterdir()
    for data in (b"", b"{", b"[]", b"null", b'{"answer": 1}'):
        path.write_bytes(data)
        assert drafts.of(app, "s1", "Dr A") is None
