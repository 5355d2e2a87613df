"""One reader for every engine: thoughts apart, marks gone, ends in four words, nothing learnt that was not said."""

import pytest

from kdcore.elicitation import METHODS
from kdcore.elicitation.parse import json_of, loss_reason
from kdcore.elicitation.replies import ended, understood, without_invented_turn
from kdcore.elicitation.schedule import drive
from kdcore.types import Reply, Request, TopK

GOOD = "The limitation period is usually three years."


def reply(text, finish="stop", **more):
    return Reply("c", 0, text, finish, 1, 3, token_ids=[1, 2, 3], topk=TopK([[1]], [[0.0]]), **more)


@pytest.mark.parametrize(
    ("text", "thoughts"),
    [
        (f"<think>\nThree {{years}}.\n</think>\n\n{GOOD}", "Three {years}."),
        (f"Three years.</think>\n{GOOD}", "Three years."),
        (f"<thinking>One.</thinking>{GOOD}", "One."),
        (f"[THINK]One.[/THINK]{GOOD}", "One."),
        (f"<|begin_of_thought|>One.<|end_of_thought|><|begin_of_solution|>{GOOD}<|end_of_solution|>", "One."),
        (
            f"<|channel|>analysis<|message|>One.<|end|><|start|>assistant<|channel|>final<|message|>{GOOD}<|return|>",
            "One.",
        ),
        (f"analysisOne, two.assistantfinal{GOOD}", "One, two."),
        (f"<think>One.</think>{GOOD}<think>Two.</think>", "One.\n\nTwo."),
    ],
)
def test_thoughts_are_told_apart_and_bring_no_probabilities(text, thoughts):
    read = understood(reply(text))
    assert (read.text, read.reasoning) == (GOOD, thoughts)
    assert read.token_ids == [] and read.topk is None


def test_thoughts_that_never_end_leave_no_answer():
    read = understood(reply("<think>\nLet me go through the statutes", "length"))
    assert (read.text, read.reasoning) == ("", "Let me go through the statutes")
    loss = loss_reason(read)
    assert loss.status == "truncated" and "own thoughts" in loss.reason and "raise max_tokens" in loss.reason


def test_a_plain_reply_keeps_its_tokens():
    read = understood(reply(GOOD + "<|im_end|>"))
    assert (read.text, read.token_ids) == (GOOD, [1, 2, 3])


@pytest.mark.parametrize(
    "text",
    [
        f"{GOOD}</s>",
        f"{GOOD}<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\nAnd more.",
        f"[/INST] {GOOD}",
        f"{GOOD}<end_of_turn>\n<start_of_turn>user\nAnd?",
        f"{GOOD}<｜end▁of▁sentence｜>",
    ],
)
def test_marks_of_templates_are_gone(text):
    assert understood(reply(text)).text == GOOD


def test_a_turn_that_a_model_made_up_is_cut_from_answers_only():
    text = f"{GOOD}\n\nUser: And in tort?\nAssistant: Also three."
    assert without_invented_turn(text) == (GOOD, "User: And in tort?\nAssistant: Also three.")
    request = Request("r", "s", "v", [{"role": "user", "content": "Why?"}], {"question": "Why?"})
    [outcome] = drive(METHODS["direct"], [request], {}, lambda call: [Reply(call.call_id, 0, text, "stop")])
    assert outcome.rows[0].answer == GOOD
    assert outcome.rows[0].reply.text == GOOD


@pytest.mark.parametrize(
    ("reason", "word"),
    [
        ("stop", "stop"), ("end_turn", "stop"), ("STOP", "stop"), ("eos", "stop"), ("", "stop"),
        ("tool_calls", "stop"), ("length", "length"), ("MAX_TOKENS", "length"), ("FinishReason.MAX_TOKENS", "length"),
        ("model_length", "length"),
        ("content_filter", "filtered"), ("SAFETY", "filtered"), ("refusal", "filtered"), ("RECITATION", "filtered"),
        ("error", "error"), ("insufficient_system_resource", "error"),
    ],
)  # fmt: skip
def test_ends_of_all_providers_are_four(reason, word):
    assert ended(reason) == word


def test_half_answers_filtered_answers_and_errors_are_not_usable_and_say_so():
    said = {
        finish: loss_reason(understood(reply("Half an answer", finish)))
        for finish in ("length", "content_filter", "error")
    }
    assert [said[f].status for f in said] == ["truncated", "refused", "failed"]
    assert said["content_filter"].reason == "filtered by the provider"
    assert loss_reason(understood(reply("", "stop"))).reason == "the reply is empty"
    assert loss_reason(understood(reply(GOOD))) is None


def test_thoughts_become_the_rationale_where_the_method_has_none():
    request = Request("r", "s", "v", [{"role": "user", "content": "Why?"}], {"question": "Why?"})
    text = f"<think>Because.</think>{GOOD}"
    [outcome] = drive(METHODS["direct"], [request], {}, lambda call: [Reply(call.call_id, 0, text, "stop")])
    assert (outcome.rows[0].answer, outcome.rows[0].rationale) == (GOOD, "Because.")
    field = Reply("x", 0, GOOD, "stop", reasoning="Because.")
    [outcome] = drive(
        METHODS["direct"], [request], {}, lambda call: [Reply(call.call_id, 0, GOOD, "stop", reasoning="Because.")]
    )
    assert outcome.rows[0].rationale == field.reasoning


SCORES = {"accuracy": 4, "helpfulness": 4, "clarity": 5}


@pytest.mark.parametrize(
    "text",
    [
        '```json\n{\n  "accuracy": 4,\n  "helpfulness": 4,\n  "clarity": 5,\n  "reason": "clear",\n}\n```',
        'Here is my verdict:\n```json\n{"accuracy": 4, "helpfulness": 4, "clarity": 5, "reason": "clear"}\n```\nHm!',
        "{'accuracy': 4, 'helpfulness': 4, 'clarity': 5, 'reason': 'it's clear'}",
        '{"accuracy": 4, "helpfulness": 4, "clarity": 5, "reason": "first line\nsecond line"}',
        '{"scores": {"accuracy": "4/5", "helpfulness": 4.0, "clarity": 5}, "reason": "nested"}',
        '{"Accuracy": 4, "Helpfulness": 4, "Clarity": 5, "reason": "capitals"}',
        '<think>{"accuracy": 1, "helpfulness": 1, "clarity": 1}</think>'
        '{"accuracy": 4, "helpfulness": 4, "clarity": 5.0}',
        "accuracy: 4\nhelpfulness: 4\nclarity: 5",
    ],
)
def test_a_judges_nearly_right_json_is_read(text):
    request = Request("r", "s", "v", [{"role": "user", "content": "Judge."}], {"question": "Why?", "sample_id": "x"})
    [outcome] = drive(METHODS["rubric"], [request], {}, lambda call: [Reply(call.call_id, 0, text, "stop")])
    assert outcome.rows[0].extra.get("scores") == SCORES, outcome.rows[0].reason


def test_prose_is_no_json():
    assert json_of("No scores here, {sorry}.") in (None, {}, []) or not isinstance(json_of("No scores."), dict)
    assert json_of("nothing") is None
