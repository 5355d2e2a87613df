"""A real HTTP server that misbehaves: 429 with Retry-After, 500, bad JSON, refusal, and none at all."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kdcore.configs.teacher import SamplingConfig, TeacherConfig
from kdcore.errors import ConfigError, TeacherError
from kdcore.teacher import open_teacher, openai_http
from kdcore.types import Request


class Server(ThreadingHTTPServer):
    script: list[tuple[int, dict, bytes]]
    seen: list[dict]


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        server: Server = self.server
        server.seen.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
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
    httpd.script, httpd.seen = [], []
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
    requests = [Request(f"r{i}", "s", "p", [{"role": "user", "content": "q"}], {}) for i in range(count)]
    try:
        return list(teacher.generate(requests, SamplingConfig(), lambda: None))
    finally:
        teacher.close()


def test_every_request_is_answered_once(server):
    replies = ask(server.server_port, 20)
    assert sorted(r.request_id for r in replies) == sorted(f"r{i}" for i in range(20))
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


def test_a_server_that_ignores_n_leaves_no_answer_open(server):
    teacher = open_teacher(
        TeacherConfig(engine="openai_http", model="m", base_url=f"http://127.0.0.1:{server.server_port}/v1"),
        None,
        SamplingConfig(),
    )
    request = Request("r", "s", "p", [{"role": "user", "content": "q"}], {})
    replies = list(teacher.generate([request], SamplingConfig(n=3), lambda: None))
    teacher.close()
    assert [(r.n, r.error is None) for r in replies] == [(0, True), (1, False), (2, False)]
    assert "fewer answers" in replies[1].error


def test_keys_go_only_to_safe_places_and_pages_of_others_are_not_repeated(server):
    for address in ("http://169.254.169.254/latest", "http://example.com/v1", "http://0.0.0.0:1/v1"):
        with pytest.raises(ConfigError):
            open_teacher(TeacherConfig(engine="openai_http", base_url=address), None, SamplingConfig())
    with pytest.raises(ValueError, match="api_key_env"):
        TeacherConfig(engine="openai_http", api_key_env="AWS_SECRET_ACCESS_KEY")
    server.script = [(400, {"content-type": "text/html"}, b"internal secrets")]
    [reply] = ask(server.server_port)
    assert "secrets" not in reply.error
