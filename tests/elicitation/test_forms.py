"""Forms of replies: whatever follows a form can be read, and engines' grammars take them."""

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kdcore.configs.teacher import SamplingConfig
from kdcore.elicitation import METHODS, forms
from kdcore.elicitation.base import Ask
from kdcore.elicitation.curation.article_to_dialogue import read_turns
from kdcore.elicitation.feedback.ranking import permutation
from kdcore.elicitation.labeling import chain_of_thought, retrieval_answer
from kdcore.elicitation.parse import listed, sections
from kdcore.elicitation.schedule import Scheduler, Unit
from kdcore.types import Reply, Request


def following(form):
    """Texts that follow a form, of plain letters."""
    return st.from_regex(
        re.compile(form),
        fullmatch=True,
        alphabet=st.characters(codec="ascii", exclude_characters="\r\x1c\x1d\x1e\x0b\x0c"),
    ).filter(lambda text: not re.search(r"(?im)^\W*(answer|reasoning|question|student|expert)\W*$", text))


def test_a_literal_is_itself():
    text = "Dr. A (on-call) [1] a|b {x} ^$ *+? / \\"
    assert re.fullmatch(forms.literal(text), text)


@settings(max_examples=60, suppress_health_check=list(HealthCheck), deadline=None)
@given(st.data())
def test_what_follows_a_form_has_the_parts_that_its_reader_wants(data):
    found = sections(data.draw(following(forms.named("Question", "Answer"))), ("Question", "Answer"))
    assert set(found) == {"Question", "Answer"}
    assert permutation(data.draw(following(forms.order(4))), 4)
    assert retrieval_answer.cited(data.draw(following(forms.cited(3))))


def test_reasoning_then_answer_is_read_back():
    config = chain_of_thought.ChainOfThoughtConfig(answer_word="antwort", reasoning_word="begründung")
    text = "Begründung: Erst dies.\nDann das.\n\nAntwort: Ja (nach § 5)."
    assert re.fullmatch(chain_of_thought.form(config), text)
    row = chain_of_thought.read(text, config)
    assert (row.status, row.answer) == ("parsed", "Ja (nach § 5).")


@pytest.mark.parametrize(
    ("form", "text", "holds"),
    [
        (forms.numbered(2), "1. What is a lease?\n2. Who ends it?", True),
        (forms.numbered(2), "1. What is a lease?", False),
        (forms.one_to(10), "10", True),
        (forms.one_to(10), "11", False),
        (forms.YES_NO, "yes", True),
        (forms.order(6), "[6] > [1] > [2] > [3] > [5] > [4]", True),
        (forms.talk("Student", "Expert", 2), "Student: A?\nExpert: B.\nStudent: C?\nExpert: D.", True),
        (forms.talk("Student", "Expert", 2), "Student: A?\nExpert: B.", False),
    ],
)
def test_forms_hold_what_they_say(form, text, holds):
    assert bool(re.fullmatch(form, text)) is holds


def test_a_talk_and_a_list_are_read_back():
    assert len(read_turns("Student: A?\nExpert: B.\nStudent: C?\nExpert: D.", "Student", "Expert")) == 4
    assert listed("1. What is a lease?\n2. Who ends it?") == ["What is a lease?", "Who ends it?"]


def calls_of(sampling):
    method = METHODS["chain_of_thought"]
    request = Request("r", "s", "p", [{"role": "user", "content": "Why?"}], {"question": "Why?"})
    kept = {}

    class Memory:
        def get(self, key):
            kept.setdefault("key", key)

        def put(self, key, replies):
            pass

    scheduler = Scheduler(iter([Unit(request)]), method, {}, sampling, lambda outcome: None, memory=Memory())
    for call in scheduler.calls():
        if call is not None:
            scheduler.take(Reply(call.call_id, 0, "Reasoning: a b.\nAnswer: c d.", "stop"))
            return call.form, kept["key"]
    raise AssertionError("nothing was asked")


def test_a_form_goes_to_the_engine_unless_it_is_turned_off():
    held, key = calls_of(SamplingConfig())
    free, other = calls_of(SamplingConfig(hold_form=False))
    assert held == chain_of_thought.form(chain_of_thought.ChainOfThoughtConfig())
    assert free == ""
    assert key != other  # a reply that was held to a form is another reply


def test_an_ask_without_a_form_is_free():
    assert Ask([]).form == ""
