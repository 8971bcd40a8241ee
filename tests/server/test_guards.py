"""Who may ask, from where, by which name, and how much."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from dinosearch.errors import SettingError
from dinosearch.server.guards.limits import BodyLimits
from dinosearch.server.guards.request import Named, host_of
from dinosearch.server.settings import Settings, named
from tests.server.conftest import HERE
from tests.server.test_search import assert_problem

TOKEN = "a-token-of-sufficient-length"
BEARER = {"Authorization": f"Bearer {TOKEN}"}

HOSTS = {
    "127.0.0.1:8765": 200,
    "127.0.0.1": 200,
    "localhost": 200,
    "LocalHost:1": 200,
    "[::1]:8765": 200,
    "photos.example": 421,
    "127.0.0.1.photos.example": 421,
    "localhost.photos.example:8765": 421,
    "10.0.0.1": 421,
    "0.0.0.0": 421,
    "": 421,
    "127.0.0.1:8765:1": 421,
    "127.0.0.1 photos.example": 421,
    "user@127.0.0.1": 421,
    "[::1": 421,
    "127.0.0.1:x": 421,
    "2130706433": 421,
}


@pytest.mark.parametrize("host", HOSTS)
def test_host(served, indexed, host):
    answer = served.get("/v1/health", headers={"Host": host})
    assert answer.status_code == HOSTS[host]
    if answer.status_code == 421:
        assert_problem(answer, 421, indexed)


def test_two_hosts(served):
    assert served.get("/v1/health", headers=[("Host", "127.0.0.1"), ("Host", "photos.example")]).status_code == 421


def test_named_hosts(serve):
    client = serve(hosts=("photos.example",))
    assert client.get("/v1/health", headers={"Host": "photos.example:8765"}).status_code == 200
    assert client.get("/v1/health", headers={"Host": "other.example"}).status_code == 421


def test_on_all_addresses_any_address_is_a_name_and_no_foreign_name_is(serve):
    client = serve(host="0.0.0.0", token=TOKEN)
    assert client.get("/v1/health", headers={"Host": "192.168.1.5:8765"}).status_code == 200
    assert client.get("/v1/health", headers={"Host": "rebound.example"}).status_code == 421


@pytest.mark.parametrize(
    ("host", "name"),
    [("a.b:1", "a.b"), ("[::1]:1", "::1"), ("A.", "a"), ("::1", None), ("a b", None), ("a:999999", None)],
)
def test_host_of(host, name):
    assert host_of(host) == name


ORIGINS = {
    "http://127.0.0.1:8765": 200,
    "https://127.0.0.1:8765": 200,
    "http://127.0.0.1:8766": 403,
    "http://100.0.0.1:8765": 403,
    "http://200.0.0.1:8765": 403,
    "http://127.0.0.1": 403,
    "http://localhost:8765": 403,
    "http://photos.example": 403,
    "http://127.0.0.1:8765.photos.example": 403,
    "null": 403,
    "": 403,
    "file://": 403,
    "http://127.0.0.1:x": 403,
    "http://[::1": 403,
}


@pytest.mark.parametrize("origin", ORIGINS)
def test_origin(served, indexed, origin):
    answer = served.get("/v1/collections", headers={"Origin": origin})
    assert answer.status_code == ORIGINS[origin]
    assert not [name for name in answer.headers if name.startswith("access-control")]
    if answer.status_code == 403:
        assert_problem(answer, 403, indexed)


@pytest.mark.parametrize(
    ("host", "origin", "status"),
    [
        ("127.0.0.1", "http://127.0.0.1", 200),
        ("127.0.0.1", "http://127.0.0.1:80", 200),
        ("127.0.0.1:80", "http://127.0.0.1", 200),
        ("127.0.0.1", "https://127.0.0.1:443", 200),
        ("127.0.0.1:443", "https://127.0.0.1", 200),
        ("127.0.0.1", "https://127.0.0.1:80", 403),
        ("127.0.0.1:443", "http://127.0.0.1", 403),
    ],
)
def test_the_usual_port_of_an_origin_may_be_left_out(served, host, origin, status):
    assert served.get("/v1/collections", headers={"Host": host, "Origin": origin}).status_code == status


def test_named_origins_get_cors_and_no_others(serve):
    client = serve(cors=("https://app.example",))
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    preflight = client.options(f"{HERE}/search", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://app.example"
    answer = client.get("/v1/collections", headers={"Origin": "https://app.example"})
    assert (answer.status_code, answer.headers["access-control-allow-origin"]) == (200, "https://app.example")
    assert "Origin" in answer.headers["vary"]
    assert client.get("/v1/collections", headers={"Origin": "https://app.example.evil.example"}).status_code == 403


WITH_TOKEN = {
    "header": ({"Authorization": f"Bearer {TOKEN}"}, 200),
    "any case": ({"Authorization": f"bearer  {TOKEN}"}, 200),
    "none": ({}, 401),
    "wrong": ({"Authorization": f"Bearer {TOKEN}x"}, 401),
    "part": ({"Authorization": f"Bearer {TOKEN[:-1]}"}, 401),
    "empty": ({"Authorization": "Bearer "}, 401),
    "bytes": ({"Authorization": b"Bearer \xff\xfe"}, 401),
    "basic": ({"Authorization": f"Basic {TOKEN}"}, 401),
    "as a cookie": ({"Cookie": f"dinosearch={TOKEN}"}, 401),
    "forged session": ({"Cookie": "dinosearch=99999999999.AAAA"}, 401),
    "odd session": ({"Cookie": "dinosearch=\xff.\xff; dinosearch; =; dinosearch=1"}, 401),
}


@pytest.mark.parametrize("case", WITH_TOKEN)
def test_token(serve, indexed, case):
    headers, status = WITH_TOKEN[case]
    headers = {name: value if isinstance(value, bytes) else value.encode("latin-1") for name, value in headers.items()}
    client = serve(token=TOKEN)
    for path in ("/v1/collections", HERE, f"{HERE}/images/1/picture", "/v1/openapi.json", "/v1/ready", "/", "/nowhere"):
        answer = client.get(path, headers=headers)
        if status == 401:
            assert_problem(answer, 401, indexed)
        else:
            assert answer.status_code in (200, 404), path


def test_health_needs_no_token(serve):
    assert serve(token=TOKEN).get("/v1/health").json() == {"status": "ok"}


def test_session(serve):
    client = serve(token=TOKEN)
    assert client.post("/v1/session", json={"token": "wrong"}).status_code == 401
    assert "set-cookie" not in client.post("/v1/session", json={"token": ""}).headers
    opened = client.post("/v1/session", json={"token": TOKEN})
    cookie = opened.headers["set-cookie"].lower()
    assert "httponly" in cookie and "samesite=strict" in cookie and TOKEN not in cookie
    assert client.get("/v1/collections").status_code == 200  # the client keeps cookies
    value = client.cookies["dinosearch"]
    assert client.delete("/v1/session").status_code == 200
    assert client.get("/v1/collections").status_code == 401
    other = serve(token=TOKEN + "2")
    assert other.get("/v1/collections", headers={"Cookie": f"dinosearch={value}"}).status_code == 401


def test_a_session_ends(serve, monkeypatch):
    client = serve(token=TOKEN)
    client.post("/v1/session", json={"token": TOKEN})
    cookie = {"Cookie": f"dinosearch={client.cookies['dinosearch']}"}
    assert client.get("/v1/collections", headers=cookie).status_code == 200
    monkeypatch.setattr("dinosearch.server.guards.sessions.time.time", lambda: 4e9)
    assert client.get("/v1/collections", headers=cookie).status_code == 401


def test_login_page(serve):
    client = serve(token=TOKEN)
    page = client.get("/", headers={"Accept": "text/html,*/*"})
    assert page.status_code == 401 and "<form" in page.text
    assert "http" not in page.text.replace("http-equiv", "")  # nothing is loaded from elsewhere
    api = client.get("/v1/collections", headers={"Accept": "text/html,*/*"})
    assert (api.status_code, api.headers["content-type"]) == (401, "application/problem+json")
    sent = client.post("/v1/session", data={"token": TOKEN}, headers={"Origin": "http://127.0.0.1:8765"})
    assert (sent.status_code, sent.headers["location"]) == (303, "/")
    assert client.get("/v1/collections").status_code == 200


def test_safe_headers_are_on_every_answer(served):
    for path in ("/v1/health", "/nowhere", f"{HERE}/images/1/picture", f"{HERE}/images/999/picture"):
        headers = served.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"


def test_request_ids(served):
    assert served.get("/v1/health", headers={"X-Request-Id": "my-id.1"}).headers["x-request-id"] == "my-id.1"
    seen = {
        served.get("/v1/health", headers={"X-Request-Id": bad}).headers["x-request-id"] for bad in ("a b", "x" * 65)
    }
    assert len(seen) == 2 and all(len(one) == 16 for one in seen)


def test_unknown_paths_and_wrong_methods(served, indexed):
    for path in (
        "/nowhere",
        "/v1",
        "/v1/",
        f"{HERE}/",
        f"{HERE}/images",
        "/%2e%2e/etc/passwd",
    ):
        assert_problem(served.get(path), 404, indexed)
    for path in (f"{HERE}/search", f"{HERE}/rank"):
        assert_problem(served.get(path), 405, indexed)
    for name in ("no", "..", "%00", "a" * 101, "caf%E9"):
        assert served.get(f"/v1/collections/{name}/facets").status_code in (404, 422)


def test_an_error_of_the_server_is_a_problem_too(serve, indexed, collection, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError(f"secret in {indexed.photos}")

    monkeypatch.setattr(type(collection), "query", fail)
    assert_problem(serve().post(f"{HERE}/search", json={"examples": [{"id": 1}]}), 500, indexed)


def test_half_an_answer_is_not_ended_by_another():
    """What fails behind the first part of an answer has the connection closed, by the exception."""
    sent: list[str] = []
    told: list[str] = []

    async def app(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise OSError("the disk is gone")

    async def send(message):
        sent.append(message["type"])

    with pytest.raises(OSError, match="disk"):
        asyncio.run(
            Named(app, lambda error, name: told.append(str(error)))({"type": "http", "headers": []}, None, send)
        )
    assert (sent, told) == (["http.response.start", "http.response.body"], ["the disk is gone"])


def test_bodies_have_limits(serve, indexed):
    client = serve(max_upload=4096, max_json=2048)
    for size, status in ((1900, 422), (3000, 413)):
        body = b'{"where":"' + b"x" * size + b'"}'
        assert client.post(f"{HERE}/search", content=body, headers=JSON).status_code == status
        chunked = client.post(f"{HERE}/search", content=iter([body[:100], body[100:]]), headers=JSON)
        assert chunked.status_code == status
    assert_problem(client.post(f"{HERE}/embed", files={"image": ("a", b"x" * 5000)}), 413, indexed)
    assert client.post(f"{HERE}/embed", files={"image": ("a", b"x" * 3000)}).status_code == 422
    for odd in ("x", "-1", "1e3", "9" * 30):
        answer = client.post(f"{HERE}/search", content=b"{}", headers={**JSON, "Content-Length": odd})
        assert answer.status_code in (400, 413), odd


JSON = {"Content-Type": "application/json"}


def parts(*sizes: int) -> Iterator[bytes]:
    yield from (b"x" * size for size in sizes)


@pytest.mark.parametrize(
    ("pause", "sizes", "status"), [(0.0, (10, 10), 200), (0.3, (10, 10), 408), (0.15, (9000, 9000, 9000), 200)]
)
def test_slow_bodies(pause, sizes, status):
    """A body has 0.2 s here, and a second more for each 16 KiB that have come."""
    answered: list[int] = []

    async def app(scope, receive, send):
        while (await receive()).get("more_body"):
            pass
        await send({"type": "http.response.start", "status": 200, "headers": []})

    async def run() -> None:
        waiting = list(parts(*sizes))

        async def receive():
            await asyncio.sleep(pause)
            body = waiting.pop(0)
            return {"type": "http.request", "body": body, "more_body": bool(waiting)}

        async def send(message):
            answered.append(message["status"])

        scope = {"type": "http", "headers": [(b"transfer-encoding", b"chunked")]}
        await BodyLimits(app, upload=10**6, other=10**6, seconds=0.2)(scope, receive, send)

    try:
        asyncio.run(run())
    except Exception as error:
        answered.append(getattr(error, "status_code", 0))
    assert answered == [status]


WRONG = {
    "no token": {"host": "0.0.0.0"},
    "no token on a name": {"host": "photos.example"},
    "short token": {"token": "short"},
    "token": {"token": "é" * 20},
    "origin": {"cors": ("photos.example",)},
    "any origin": {"cors": ("*",)},
    "two of one name": {"homes": (("a", "x"), ("a", "y"))},
    "name": {"homes": (("a/b", "x"),)},
    "upload": {"max_upload": 1},
}


@pytest.mark.parametrize("case", WRONG)
def test_settings_that_are_refused(case):
    with pytest.raises(SettingError):
        Settings(**WRONG[case])


def test_secrets_are_not_shown():
    shown = repr(Settings(token=TOKEN))
    assert TOKEN not in shown and "secret" not in shown


def test_names_of_homes(tmp_path):
    assert named([str(tmp_path / "a"), f"b={tmp_path}/x=y"]) == (("a", f"{tmp_path}/a"), ("b", f"{tmp_path}/x=y"))
    assert named([f"{tmp_path}/x=y"]) == (("x=y", f"{tmp_path}/x=y"),)
