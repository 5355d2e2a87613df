"""A real HTTP server that misbehaves: 429 with Retry-After, 500, bad JSON, refusal, and none at all."""

import json
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kdcore.configs.base import load_config
from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.errors import ConfigError, TeacherError
from kdcore.teacher import endpoint_guard, open_teacher, openai_http
from kdcore.teacher.endpoint_answers import wait_of


class Server(ThreadingHTTPServer):
    script: list[tuple[int, dict, bytes]]
    seen: list[dict]
    hosts: list[str]
    keys: list[str]
    paths: list[str]
    headers_seen: list


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server: Server = self.server
        server.seen.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        server.hosts.append(self.headers["host"])
        server.keys.append(self.headers.get("authorization", ""))
        server.paths.append(self.path)
        server.headers_seen.append(self.headers)
        status, headers, body = server.script.pop(0) if server.script else (200, {}, ok())
        self.send_response(status)
        for name, value in {"content-length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def ok(text="An answer.", n=1) -> bytes:
    choices = [{"index": i, "message": {"content": text}, "finish_reason": "stop"} for i in range(n)]
    return json.dumps({"choices": choices, "usage": {"prompt_tokens": 5, "completion_tokens": 3 * n}}).encode()


@pytest.fixture
def server() -> Iterator[Server]:
    httpd = Server(("127.0.0.1", 0), Handler)
    httpd.script, httpd.seen, httpd.hosts, httpd.keys = [], [], [], []
    httpd.paths, httpd.headers_seen = [], []
    thread = threading.Thread(target=httpd.serve_forever, daemon=True)
    thread.start()
    yield httpd
    httpd.shutdown()
    httpd.server_close()


def ask(port: int, count: int = 1, **config):
    teacher = open_teacher(
        TeacherConfig(
            engine="openai_http", model="m", base_url=f"http://127.0.0.1:{port}/v1", max_concurrency=4, **config
        ),
        None,
        SamplingConfig(),
    )
    calls = [Call(f"r{i}", [{"role": "user", "content": "q"}], SamplingConfig()) for i in range(count)]
    try:
        return list(teacher.generate(iter(calls), lambda: None))
    finally:
        teacher.close()


def test_every_request_is_answered_once(server):
    replies = ask(server.server_port, 20)
    assert sorted(r.call_id for r in replies) == sorted(f"r{i}" for i in range(20))
    assert {(r.text, r.finish_reason, r.completion_tokens) for r in replies} == {("An answer.", "stop", 3)}
    assert len(server.seen) == 20


def test_429_waits_as_told_and_500_is_tried_again(server):
    server.script = [(429, {"retry-after": "0.2"}, b"slow down"), (500, {"retry-after": "0.1"}, b"oops")]
    [reply] = ask(server.server_port)
    assert reply.text == "An answer."
    assert len(server.seen) == 3


def test_a_bad_request_is_one_failed_row_with_its_reason(server):
    server.script = [(400, {"content-type": "application/json"}, b'{"error": "too long"}')]
    [reply] = ask(server.server_port)
    assert "HTTP 400" in reply.error
    assert "too long" in reply.error


def test_an_answer_in_another_format_is_a_failed_row(server):
    server.script = [(200, {}, b"<html>hello</html>")]
    [reply] = ask(server.server_port)
    assert "not in the chat format" in reply.error


def test_a_wrong_key_stops_the_run_at_once(server, monkeypatch):
    monkeypatch.setenv("A_API_KEY", "secret-key")
    server.script = [(401, {}, b"bad key")] * 20
    with pytest.raises(TeacherError, match="check the key") as caught:
        ask(server.server_port, 5, api_key_env="A_API_KEY")
    assert "secret-key" not in str(caught.value)


def test_a_dead_endpoint_is_a_sentence(server, monkeypatch):
    monkeypatch.setattr(openai_http, "RETRIES", 2)
    port = server.server_port
    server.server_close()
    with pytest.raises(TeacherError, match=r"does not answer.*resume"):
        ask(port)


def test_addresses_and_keys_are_checked_before_the_start():
    for address in ("", "localhost:8000", "file:///etc/passwd"):
        with pytest.raises(ConfigError, match="not usable"):
            open_teacher(TeacherConfig(engine="openai_http", base_url=address), None, SamplingConfig())
    with pytest.raises(ConfigError, match="NO_SUCH_API_KEY is not set"):
        open_teacher(
            TeacherConfig(engine="openai_http", base_url="https://x/v1", api_key_env="NO_SUCH_API_KEY"),
            None,
            SamplingConfig(),
        )


def test_a_server_that_ignores_n_is_asked_once_for_each_answer(server):
    teacher = open_teacher(
        TeacherConfig(engine="openai_http", model="m", base_url=f"http://127.0.0.1:{server.server_port}/v1"),
        None,
        SamplingConfig(),
    )
    call = Call("r", [{"role": "user", "content": "q"}], SamplingConfig(n=3))
    replies = list(teacher.generate(iter([call]), lambda: None))
    teacher.close()
    assert [(r.n, r.error) for r in replies] == [(0, None), (1, None), (2, None)]
    assert [body.get("n") for body in server.seen] == [3, None, None]  # the others one by one, and so from now on


def test_keys_go_only_to_safe_places_and_pages_of_others_are_not_repeated(server):
    for address in ("http://169.254.169.254/latest", "http://example.com/v1", "http://0.0.0.0:1/v1"):
        with pytest.raises(ConfigError):
            open_teacher(TeacherConfig(engine="openai_http", base_url=address), None, SamplingConfig())
    with pytest.raises(ValueError, match="api_key_env"):
        TeacherConfig(engine="openai_http", api_key_env="AWS_SECRET_ACCESS_KEY")
    server.script = [(400, {"content-type": "text/html"}, b"internal secrets")]
    [reply] = ask(server.server_port)
    assert "secrets" not in reply.error


@pytest.mark.parametrize(
    "address",
    [
        "http://169.254.169.254/latest",
        "http://2852039166/v1",  # the same address as one number
        "http://0251.0376.0251.0376/v1",  # and in octal
        "http://[::ffff:169.254.169.254]/v1",
        "http://a\\@127.0.0.1/v1",
        "http://user:word@127.0.0.1/v1",
        "ftp://127.0.0.1/v1",
        "http://224.0.0.1/v1",
        "http://8.8.8.8/v1",
    ],
)
def test_addresses_that_may_not_be_asked(address):
    with pytest.raises(ConfigError):
        endpoint_guard.check_address(address)


def test_only_allowed_origins_where_a_list_is_given(monkeypatch):
    monkeypatch.setenv(endpoint_guard.ALLOWED, "http://127.0.0.1:9000, https://models.example")
    assert endpoint_guard.check_address("http://127.0.0.1:9000/v1")[1] == "127.0.0.1"
    with pytest.raises(ConfigError, match="not among those allowed"):
        endpoint_guard.check_address("http://127.0.0.1:9001/v1")


def test_a_name_that_moves_after_the_check_changes_nothing(server, monkeypatch):
    """DNS rebinding: the connection goes to the address that was checked."""
    url, _ = endpoint_guard.check_address(f"http://localhost:{server.server_port}/v1")
    monkeypatch.setattr(openai_http, "check_address", lambda _: (url, "127.0.0.1"))
    [reply] = ask(server.server_port)
    assert reply.text == "An answer."
    assert server.hosts[-1] == f"localhost:{server.server_port}"


def test_a_redirect_is_not_followed(server):
    server.script = [(302, {"location": "http://169.254.169.254/"}, b"")] * 10
    [reply] = ask(server.server_port)
    assert "HTTP 302" in reply.error


def test_a_key_file_that_others_can_read_is_refused(server, tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint_guard, "KEYS", tmp_path)
    (tmp_path / "house").write_text("canary-key")
    (tmp_path / "house").chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        ask(server.server_port, api_key_file="house")
    (tmp_path / "house").chmod(0o600)
    assert ask(server.server_port, api_key_file="house")[0].text == "An answer."
    assert server.keys[-1] == "Bearer canary-key"


def test_calls_grow_and_shrink_with_what_the_endpoint_bears():
    window = openai_http.Window(32)
    assert window.size == 4
    for _ in range(4):
        window.went_well()
    assert window.size == 8  # a round doubles it
    for _ in range(100):
        window.went_well()
    assert window.size == 32
    window.too_much()
    assert window.size == 16
    for _ in range(16):
        window.went_well()
    assert window.size == 16  # from now on a round adds one, a little less for its growing
    window.went_well()
    assert window.size == 17
    for _ in range(20):
        window.too_much()
    assert window.size == 1


def test_a_schema_travels_with_the_call(server):
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    teacher = open_teacher(
        TeacherConfig(engine="openai_http", model="m", base_url=f"http://127.0.0.1:{server.server_port}/v1"),
        None,
        SamplingConfig(),
    )
    call = Call("r", [{"role": "user", "content": "q"}], SamplingConfig(), schema)
    assert len(list(teacher.generate(iter([call]), lambda: None))) == 1
    teacher.close()
    assert server.seen[-1]["response_format"]["json_schema"]["schema"] == schema


# ---- as providers are -----------------------------------------------------------------------------------------
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


def ask_again(server, count=1, schema=None, **sampling):
    """Replies of some calls to one teacher, and what it has to say of the endpoint."""
    teacher = teacher_of(server)
    calls = [
        Call(f"r{i}", [{"role": "user", "content": "q"}], SamplingConfig(**sampling), schema) for i in range(count)
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
