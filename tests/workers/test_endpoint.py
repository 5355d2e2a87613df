"""A real HTTP server that misbehaves: 429 with Retry-After, 500, bad JSON, refusal, and none at all."""

import contextlib
import gzip
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from kdcore.configs.teacher import Call, SamplingConfig, TeacherConfig
from kdcore.errors import ConfigError, TeacherError
from kdcore.teacher import endpoint_guard, open_teacher, openai_http, permission


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
        pause = getattr(self, "drip", 0.0)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            for place in range(0, len(body), 8 if pause else max(1, len(body))):
                self.wfile.write(body[place : place + (8 if pause else len(body))])
                time.sleep(pause)

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


@pytest.mark.parametrize(
    "address",
    [
        "https://169.254.170.2/v1",
        "https://[fd00:ec2::254]/v1",  # what a cloud tells a machine its keys by
        "https://100.100.100.200/v1",
        "https://168.63.129.16/v1",
        "https://[2002:a9fe:a9fe::1]/v1",  # 169.254.169.254 by 6to4
        "https://[64:ff9b::a9fe:a9fe]/v1",  # and by NAT64
        "https://[::ffff:10.0.0.8]/v1",
        "http://10.0.0.8/v1",
        "https://10.0.0.8/v1",
        "https://192.168.1.5:8000/v1",
        "https://100.64.3.4/v1",
        "https://[fd12:3456::1]/v1",
    ],
)
def test_private_networks_and_the_keys_of_clouds_are_out_of_reach(address):
    with pytest.raises(ConfigError):
        endpoint_guard.check_address(address)


def test_a_private_network_is_asked_where_it_is_listed_and_a_metadata_address_never(monkeypatch):
    listed = ["https://10.0.0.8", "http://10.0.0.9", "https://169.254.169.254", "https://[fd00:ec2::254]"]
    monkeypatch.setenv(endpoint_guard.ALLOWED, ",".join(listed))
    assert endpoint_guard.check_address("https://10.0.0.8/v1")[1] == "10.0.0.8"
    for address in listed[1:]:
        with pytest.raises(ConfigError, match=r"need https|where no model server may be asked"):
            endpoint_guard.check_address(f"{address}/v1")


def test_this_machine_by_its_other_address_is_this_machine():
    assert endpoint_guard.check_address("http://[::1]:8000/v1")[1] == "::1"


def test_a_name_that_moves_after_the_check_changes_nothing(server, monkeypatch):
    """DNS rebinding: the connection goes to the address that was checked, whatever the name says by then."""
    asked: list[str] = []
    real = socket.getaddrinfo

    def moving(host, *rest, **more):
        if host != "models.example":
            return real(host, *rest, **more)
        asked.append(host)
        return real("127.0.0.1" if len(asked) == 1 else "203.0.113.9", *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", moving)
    url, address = endpoint_guard.check_address(f"http://models.example:{server.server_port}/v1")
    monkeypatch.setattr(openai_http, "check_address", lambda _: (url, address))
    [reply] = ask(server.server_port)
    assert reply.text == "An answer." and asked == ["models.example"]
    assert server.hosts[-1] == f"models.example:{server.server_port}"


CANARY = "sk-canary/0xDEAD+BEEF"


@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize(
    "form", [CANARY, "sk-canary%2F0xDEAD%2BBEEF", "c2stY2FuYXJ5LzB4REVBRCtCRUVG", "sk-canary\\/0xDEAD+BEEF"]
)
def test_a_key_that_the_endpoint_repeats_is_in_no_answer_and_no_message(server, monkeypatch, status, form):
    monkeypatch.setenv("SOME_API_KEY", CANARY)
    monkeypatch.setattr(openai_http, "RETRIES", 1)
    said = f'you sent \\"Bearer {form}\\"'
    body = (
        ok().replace(b"An answer.", said.encode())
        if status == 200
        else b'{"error": {"message": "%s"}}' % said.encode()
    )
    server.script = [(status, {}, body)]
    try:
        [reply] = ask(server.server_port, api_key_env="SOME_API_KEY")
        told = reply.text + (reply.error or "")
    except TeacherError as exc:
        told = str(exc)
    assert server.keys[0] == f"Bearer {CANARY}", "it was sent"
    assert "[the key]" in told
    assert "canary" not in told and "c2stY2FuYXJ5" not in told


def test_signs_that_steer_a_terminal_are_shown_as_what_they_are(server):
    server.script = [(400, {}, json.dumps({"error": {"message": "\x1b[2J\x1b]0;owned\x07 fake\u202e"}}).encode())]
    [reply] = ask(server.server_port)
    assert reply.error.isprintable() and "\\x1b[2J" in reply.error and "\\u202e" in reply.error


def test_a_server_that_sends_drop_by_drop_is_left_at_the_deadline(server, monkeypatch):
    monkeypatch.setattr(openai_http, "RETRIES", 1)
    monkeypatch.setattr(Handler, "drip", 0.2, raising=False)
    server.script = [(200, {}, ok("x" * 400))]
    began = time.monotonic()
    with pytest.raises(TeacherError, match="took longer than 1 s"):
        ask(server.server_port, timeout_s=1.0)
    assert time.monotonic() - began < 4


def test_a_small_body_that_unpacks_to_a_flood_is_one_failed_row(server, monkeypatch):
    monkeypatch.setattr(openai_http, "MOST_BYTES", 1 << 20)
    packed = gzip.compress(ok("x" * (20 << 20)))
    server.script = [(200, {"content-encoding": "gzip", "content-length": str(len(packed))}, packed)]
    [reply] = ask(server.server_port)
    assert "longer than 1 MB" in reply.error


@pytest.mark.parametrize("count", [-1_000_000, 10**12, "many", None, 1.5, True])
def test_token_counts_that_cant_be_so_are_counted_anew(server, count):
    body = json.loads(ok())
    body["usage"]["completion_tokens"] = count
    server.script = [(200, {}, json.dumps(body).encode())]
    [reply] = ask(server.server_port)
    assert 0 <= reply.completion_tokens < 100 and 0 <= reply.prompt_tokens < 1000


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


def test_a_run_whose_leave_is_taken_away_sends_nothing_more(server, tmp_path, monkeypatch):
    monkeypatch.setattr(TeacherConfig, "is_local", property(lambda self: False))
    leave = tmp_path / permission.FILE
    leave.write_text("{}")
    before = permission.permission.set(leave)
    try:
        config = TeacherConfig(engine="openai_http", base_url=f"http://127.0.0.1:{server.server_port}/v1")
        teacher = open_teacher(config, None, SamplingConfig())
        calls = [Call(f"c{n}", [{"role": "user", "content": "A patient's text"}], SamplingConfig()) for n in range(2)]
        replies = teacher.generate(iter(calls[:1]), lambda: None)
        assert next(replies).text == "An answer."
        leave.unlink()
        with pytest.raises(TeacherError, match="may not send text off this machine"):
            list(teacher.generate(iter(calls[1:]), lambda: None))
        teacher.close()
    finally:
        permission.permission.reset(before)
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'data: {"choices":[null]}\n\n',
        b"data: [1]\n\n",
        b'data: {"choices":[{"delta":"hi"}]}\n\n',
        b'{"choices":[null]}',
        b'{"choices":"x"}',
        b"null",
        b"7",
    ],
)
def test_one_malformed_answer_is_one_failed_row(server, body):
    server.script = [(200, {"content-type": "text/event-stream"} if body[:4] == b"data" else {}, body)]
    failed, good = sorted(ask(server.server_port, count=2), key=lambda reply: not reply.error)
    assert failed.error and good.text == "An answer."
