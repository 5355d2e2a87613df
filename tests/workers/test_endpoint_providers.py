"""Endpoints as providers are: what they refuse, rename, leave out and send back, learnt at the first call."""

import json
import time
from email.utils import formatdate

import pytest

from kdcore.configs.base import load_config
from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.errors import ConfigError, TeacherError
from kdcore.teacher import open_teacher, openai_http
from kdcore.teacher.endpoint_answers import wait_of
from tests.workers.test_endpoint import ask, server

__all__ = ["server"]
JSON = {"content-type": "application/json"}


def told(status, message, **more):
    """A refusal in the words of a provider."""
    return status, JSON, json.dumps({"error": {"message": message, **more}}).encode()


def said(choice, **more):
    return 200, JSON, json.dumps({"choices": [{"index": 0, "finish_reason": "stop", **choice}], **more}).encode()


def teacher_of(server, **config):
    address = f"http://127.0.0.1:{server.server_port}/v1"
    config = TeacherConfig(engine="openai_http", model="m", base_url=address, **config)
    return open_teacher(config, None, SamplingConfig())


def ask_again(server, count=1, schema=None, form="", **sampling):
    """Replies of some calls to one teacher, and what it has to say of the endpoint."""
    teacher = teacher_of(server)
    calls = [
        Call(f"r{i}", [{"role": "user", "content": "q"}], SamplingConfig(**sampling), schema, form)
        for i in range(count)
    ]
    try:
        replies = [reply for call in calls for reply in teacher.generate(iter([call]), lambda: None)]
        return replies, teacher.notes
    finally:
        teacher.close()


def test_what_an_endpoint_refuses_is_learnt_once(server):
    server.script = [
        told(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.", param="max_tokens"),
        told(400, "Unsupported value: 'temperature' does not support 0.7 with this model.", param="temperature"),
        told(400, "top_p is not supported"),
    ]
    replies, notes = ask_again(server, 3)
    assert [reply.text for reply in replies] == ["An answer."] * 3
    assert len(server.seen) == 6
    assert server.seen[-1].keys() == {"model", "messages", "max_completion_tokens"}
    assert any("temperature" in note for note in notes)


def test_several_answers_where_they_are_refused_or_all_of_index_0(server):
    server.script = [told(400, "'n' : number must be at most 1")]
    replies, _ = ask_again(server, n=3)
    assert [(r.n, r.error) for r in replies] == [(0, None), (1, None), (2, None)]
    same = {"choices": [{"index": 0, "message": {"content": text}, "finish_reason": "stop"} for text in "abc"]}
    server.script = [(200, JSON, json.dumps(same).encode())]
    replies, _ = ask_again(server, n=3)
    assert [(r.n, r.text) for r in replies] == [(0, "a"), (1, "b"), (2, "c")]


def test_a_schema_that_is_refused_becomes_json_and_then_words(server):
    no = told(400, "This response_format type is unavailable now")
    server.script = [no, no]
    replies, notes = ask_again(server, schema={"type": "object"})
    assert replies[0].text == "An answer."
    assert [body.get("response_format", {}).get("type") for body in server.seen] == [
        "json_schema",
        "json_object",
        None,
    ]
    assert any("schema" in note for note in notes)


def test_thoughts_parts_and_refusals_of_messages(server):
    server.script = [
        said({"message": {"content": "Yes.", "reasoning_content": "Hm."}}),
        said({"message": {"content": None, "reasoning": "Hm."}, "finish_reason": "length"}),
        said({"message": {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                                      {"type": "text", "text": "Yes."}]}}),
        said({"message": {"content": None, "refusal": "I won't."}}),
    ]  # fmt: skip
    replies, _ = ask_again(server, 4)
    assert [(r.text, r.reasoning, r.finish_reason) for r in replies] == [
        ("Yes.", "Hm.", "stop"),
        ("", "Hm.", "length"),
        ("Yes.", "Hm.", "stop"),
        ("I won't.", "", "refusal"),
    ]


def test_no_usage_is_counted_by_letters_and_said(server):
    server.script = [said({"message": {"content": "Four words are here."}})]
    replies, notes = ask_again(server)
    assert (replies[0].prompt_tokens, replies[0].completion_tokens) == (0, 5)
    assert "counted by letters" in notes[0]


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2),
        ({"retry-after-ms": "1500"}, 1.5),
        (lambda: {"retry-after": formatdate(time.time() + 20, usegmt=True)}, 20),
        ({"x-ratelimit-reset-requests": "250ms", "x-ratelimit-reset-tokens": "1m2s"}, 62),
        (lambda: {"x-ratelimit-reset": str(time.time() + 30)}, 30),
        ({}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_how_long_to_wait_is_read_in_every_form(headers, seconds):
    headers = headers() if callable(headers) else headers
    assert wait_of(headers) == (None if seconds is None else pytest.approx(seconds, abs=1.5))


def test_a_wait_that_is_asked_for_outlasts_the_number_of_tries(server, monkeypatch):
    monkeypatch.setattr(openai_http, "RETRIES", 2)
    server.script = [(429, {"retry-after": "0.05"}, b"{}")] * 8
    assert ask(server.server_port)[0].text == "An answer."


def test_an_error_in_a_200_is_tried_again_and_a_stream_is_read(server):
    server.script = [(200, {**JSON, "retry-after": "0.05"}, b'{"error": {"message": "upstream limit", "code": 429}}')]
    assert ask(server.server_port)[0].text == "An answer."
    event = {"choices": [{"index": 0, "delta": {"content": "In parts."}, "finish_reason": "stop"}]}
    stream = f"data: {json.dumps(event)}\n\ndata: [DONE]\n\n".encode()
    server.script = [(200, {"content-type": "text/event-stream"}, stream)]
    assert ask(server.server_port)[0].text == "In parts."


def test_a_spent_quota_is_not_tried_again_and_a_filtered_prompt_is_a_refusal(server):
    server.script = [told(429, "You exceeded your current quota", code="insufficient_quota")] * 3
    with pytest.raises(TeacherError, match="no quota left"):
        ask(server.server_port)
    assert len(server.seen) == 1
    server.script = [told(400, "The response was filtered", code="content_filter")]
    [reply] = ask(server.server_port)
    assert (reply.error, reply.finish_reason) == (None, "content_filter")


def test_a_place_that_is_not_there_hints_at_v1(server):
    server.script = [told(404, "no route")]
    config = TeacherConfig(engine="openai_http", model="m", base_url=f"http://127.0.0.1:{server.server_port}")
    teacher = open_teacher(config, None, SamplingConfig())
    with pytest.raises(TeacherError, match=r"no route.*ends in /v1"):
        list(teacher.generate(iter([Call("r", [{"role": "user", "content": "q"}], SamplingConfig())]), lambda: None))
    teacher.close()


def test_headers_query_body_and_the_key_in_its_own_header(server, monkeypatch):
    monkeypatch.setenv("AZURE_API_KEY", "canary-key")
    more = {"headers": {"X-Team": "law"}, "query": {"api-version": "2024-10-21"}, "body": {"seed": 7}}
    ask(server.server_port, api_key_env="AZURE_API_KEY", key_header="api-key", **more)
    assert server.paths[-1] == "/v1/chat/completions?api-version=2024-10-21"
    assert (server.headers_seen[-1]["x-team"], server.headers_seen[-1]["api-key"]) == ("law", "canary-key")
    assert server.keys[-1] == ""
    assert server.seen[-1]["seed"] == 7
    with pytest.raises(ConfigError, match="carries a key"):
        ask(server.server_port, headers={"Authorization": "Bearer x"})


def test_a_key_in_the_wrong_field_is_not_repeated():
    secret = "sk-proj-1234567890abcdefghijkl"
    for where in ({"base_url": secret}, {"api_key_env": secret}, {"api_key_file": secret + "/"}):
        with pytest.raises(ConfigError) as caught:
            open_teacher(load_config(TeacherConfig, {"engine": "openai_http", **where}), None, SamplingConfig())
        assert secret not in str(caught.value)


def reply(text, **more):
    return said({"message": {"content": text}}, **more)


def test_a_vllm_server_holds_answers_to_a_form_once_it_is_known(server):
    server.script = [reply("Free.", prompt_logprobs=None), reply("Held.", prompt_logprobs=None)]
    ask_again(server, 2, form="Answer: .+")
    assert "structured_outputs" not in server.seen[-2]
    assert server.seen[-1]["structured_outputs"] == {"regex": "Answer: .+"}


@pytest.mark.parametrize(
    "first",
    [
        reply("Free."),
        reply("<think>Well.</think>Free.", prompt_logprobs=None),
        said({"message": {"content": "Free.", "reasoning_content": "Well."}}, prompt_logprobs=None),
    ],
    ids=["another server", "tags", "a field"],
)
def test_no_form_where_it_would_cut_thoughts_off_or_is_not_known(server, first):
    server.script = [first]
    ask_again(server, 3, form="Answer: .+")
    assert not any("structured_outputs" in body for body in server.seen)


def test_a_form_that_is_refused_is_let_go(server):
    server.script = [
        reply("Free.", prompt_logprobs=None),
        told(400, "Grammar error: the regex is not supported"),
        reply("Free.", prompt_logprobs=None),
        reply("Free.", prompt_logprobs=None),
    ]
    replies, _ = ask_again(server, 3, form="Answer: .+")
    assert [one.text for one in replies] == ["Free."] * 3
    assert ["structured_outputs" in body for body in server.seen] == [False, True, False, False]


def test_a_reply_that_was_cut_tells_nothing_of_thoughts(server):
    """A template may open the thoughts in the prompt, so that only a whole reply shows their mark."""
    cut = said({"message": {"content": "Okay, so the user wants"}, "finish_reason": "length"}, prompt_logprobs=None)
    server.script = [cut, reply("Okay.</think>Yes.", prompt_logprobs=None), reply("Yes.", prompt_logprobs=None)]
    ask_again(server, 3, form="Answer: .+")
    assert not any("structured_outputs" in body for body in server.seen)


def test_a_users_own_constraint_is_left_alone(server):
    teacher = teacher_of(server, body={"response_format": {"type": "json_object"}})
    call = Call("r", [{"role": "user", "content": "q"}], SamplingConfig(), None, "Answer: .+")
    refused = told(400, "You can only use one kind of constraint for structured outputs")
    server.script = [reply("Free.", prompt_logprobs=None), reply("Free.", prompt_logprobs=None), refused]
    replies = [one for _ in range(3) for one in teacher.generate(iter([call]), lambda: None)]
    teacher.close()
    assert not any("structured_outputs" in body for body in server.seen)
    assert [one.error is None for one in replies] == [True, True, False]
    assert not any("schema" in note for note in teacher.notes)
