"""The map's page: filters, links, samples, tabs, decisions and tags on all that is selected."""

import pytest

from kdcore.services.review import decisions as review_decisions
from kdcore.store import samples
from kdcore.ui import frame
from tests.pages.test_pages import populated, project, run_page, texts

__all__ = ["populated", "project", "run_page"]


def test_a_link_with_a_filter_reopens_the_view(run_page, populated):
    from kdcore.configs.selection import All, ColumnIs, to_url

    link = to_url(All(parts=(ColumnIs(column="topic", values=("topic 3",)),)))
    assert "**4** of 20 answers" in texts(run_page("pages/3_Explore.py", filter=link))
    assert "damaged" in texts(run_page("pages/3_Explore.py", filter="no-such-filter"))


def test_an_unknown_sample_is_a_sentence(run_page, populated):
    assert "There is no sample" in texts(run_page("pages/3_Explore.py", sample="sm_none"))


def test_text_of_models_cannot_draw_or_load_anything(run_page, populated, tmp_path):
    app = frame.open_app(str(tmp_path / "ws"))
    [first, *_] = samples.keys(app.store, populated, review_decisions.REVIEWABLE)
    evil = "![x](http://evil/x.png) :red[hi] <b>bold</b>"
    review_decisions.decide(app, first, "edit", "me", question=evil, answer=evil, note=evil)
    at = run_page("pages/3_Explore.py", sample=first)
    assert "![x](" not in texts(at)
    assert ":red[" not in texts(at)


def test_a_broken_pattern_is_said_and_the_page_goes_on(run_page, populated):
    from kdcore.configs.selection import All, TextHas, to_url

    at = run_page("pages/3_Explore.py")
    at.toggle(key="find.regex").set_value(True).run()
    at.text_input(key="find").set_value("(").run()
    assert any("no regular expression" in e.value for e in at.error)
    assert "of 20 answers" in texts(at)
    link = to_url(All(parts=(TextHas(query="[z-a]", regex=True),)))
    assert "**20** of 20 answers" in texts(run_page("pages/3_Explore.py", filter=link))


def test_all_that_is_selected_is_rejected_and_taken_back(run_page, populated):
    at = run_page("pages/3_Explore.py")
    at.button(key="all-reject").click().run()
    assert not at.exception
    assert at.button(key="all-reject").disabled
    at.button(key="all-undo").click().run()
    assert not at.button(key="all-reject").disabled


@pytest.mark.parametrize(
    ("tab", "word"),
    [
        ("groups", "draw one first"),
        ("duplicates", "No group of duplicates is open"),
        ("concepts", "draw a map first"),
        ("coverage", "Fewest usable rows"),
        ("sql", "Read-only"),
        ("no-such-tab", "Page 1 of 1"),
    ],
)
def test_a_tab_of_explore_opens_by_its_link(run_page, populated, tab, word):
    assert word in texts(run_page("pages/3_Explore.py", tab=tab))


def test_a_query_is_answered_below_it_and_a_wrong_one_is_said(run_page, populated):
    at = run_page("pages/3_Explore.py", tab="sql")
    at.text_area(key="sql.text").set_value("SELECT sample_id FROM samples").run()
    at.button(key="sql.run").click().run()
    assert "Look at these 20 samples" in texts(at)
    at.text_area(key="sql.text").set_value("SELECT nothing FROM nowhere").run()
    at.button(key="sql.run").click().run()
    assert "can't be run" in texts(at)


def test_a_tag_is_put_on_filtered_by_and_taken_back(run_page, populated):
    at = run_page("pages/3_Explore.py")
    at.text_input(key="tag.name").set_value("to ask about").run()
    at.button(key="tagall.True").click().run()
    at.multiselect(key="filter.tag").set_value(["to ask about"]).run()
    assert "**20** of 20 answers" in texts(at)
    assert any("tagged" in b.label for b in at.button)
    at.button(key="tagall.undo").click().run()
    assert "**0** of 20 answers" in texts(at)


def test_a_view_is_saved_and_opened_by_its_name(run_page, populated):
    at = run_page("pages/3_Explore.py", tab="coverage", sort="topic")
    at.text_input(key="view.name").set_value("by topic").run()
    at.button(key="view.save").click().run()
    other = run_page("pages/3_Explore.py")
    other.button(key="view-by topic").click().run()
    assert other.query_params["tab"] == "coverage"
    assert "Fewest usable rows" in texts(other)


def test_a_filter_takes_several_values_at_once_and_its_list_stays(run_page, populated):
    at = run_page("pages/3_Explore.py")
    offered = at.multiselect(key="filter.topic").options
    at.multiselect(key="filter.topic").set_value(offered[:2]).run()
    assert "**8** of 20 answers" in texts(at)
    assert at.multiselect(key="filter.topic").options == offered
    again = run_page("pages/3_Explore.py", filter=at.query_params["filter"])
    assert sorted(again.multiselect(key="filter.topic").value) == sorted(offered[:2])
    again.multiselect(key="filter.decision").set_value(["accept"]).run()
    again.multiselect(key="filter.topic").set_value([]).run()
    assert "**1** of 20 answers" in texts(again)
    again.button(key="clear-filter").click().run()
    assert "**20** of 20 answers" in texts(again)


def test_what_a_link_chose_stays_chosen_whether_a_list_offers_it_or_not(run_page, populated):
    from kdcore.configs.selection import All, ColumnIs, from_url, to_url

    link = to_url(All(parts=(ColumnIs(column="topic", op="in", values=("gone", "", "topic 3")),)))
    at = run_page("pages/3_Explore.py", filter=link)
    assert at.multiselect(key="filter.topic").value == ["gone", "", "topic 3"]
    at.multiselect(key="filter.topic").set_value(["gone", "", "topic 3", "topic 4"]).run()
    [part] = from_url(at.query_params["filter"]).parts
    assert part.values == ("gone", "", "topic 3", "topic 4")


def test_a_filter_closes_the_open_sample(run_page, populated):
    at = run_page("pages/3_Explore.py")
    at.multiselect(key="filter.topic").set_value(["topic 3"]).run()
    at.button(key=next(b.key for b in at.button if b.key.startswith("open-"))).click().run()
    assert at.query_params["sample"]
    at.multiselect(key="filter.decision").set_value(["pending"]).run()
    assert "sample" not in at.query_params and "picked" in texts(at)
