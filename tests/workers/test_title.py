"""A reply of any kind becomes a title or nothing, and no two groups have the same one."""

import pytest

from kdcore.workers.title import title_of, titles


@pytest.mark.parametrize(
    ("reply", "title"),
    [
        ("Heart disease and its drugs", "Heart disease and its drugs"),
        ('  Title: "Tenancy law."\nIt is about leases.', "Tenancy law"),
        ("**Contracts**", "Contracts"),
        ("\n\n- Wills & estates -", "Wills & estates"),
        ("", ""),
        ("...", ""),
        ("The questions have in common that they all ask about the law of contracts in general", ""),
        ("x" * 100, ""),
        ("心脏病", "心脏病"),
        ("हिंदी भाषा", "हिंदी भाषा"),
        ("Pain (acute)", "Pain (acute)"),
        ("“C++ and its uses.”", "C++ and its uses"),
    ],
)
def test_the_title_in_a_reply(reply, title):
    assert title_of(reply) == title


def test_a_question_said_again_is_no_title():
    asked = ["How does coeliac disease damage the small intestine?", "What is gluten?"]
    assert title_of("How does coeliac disease damages the small intestine", asked) == ""
    assert title_of("Coeliac disease", asked) == "Coeliac disease"


def test_equal_titles_are_told_apart_by_their_words():
    groups = [{"words": "dose · drug"}, {"words": "lease · tenant"}, {"words": "court"}]
    assert titles(["Health", "health", "Law"], groups) == ["Health (dose)", "health (lease)", "Law"]
    assert titles(["", "", "Law"], groups) == ["", "", "Law"]
