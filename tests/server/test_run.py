"""A real server: it stops without breaking answers, runs in several processes, and follows a writer."""

from __future__ import annotations

import http.client
import json
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import write_photo
from tests.server.conftest import Indexed, end, make_home, start

LONG = 60


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    """A home of the bundled model."""
    return make_home(tmp_path_factory.mktemp("run"), model="mini")


@contextmanager
def serving(*arguments: str | Path, cache: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    process = start(*arguments, XDG_CACHE_HOME=str(cache), XDG_STATE_HOME=str(cache))
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip().rstrip("/")
        assert address.startswith("http://127.0.0.1:"), end(process)
        yield process, address
    finally:
        end(process)


def inside(address: str) -> float:
    return figure(address, "dinosearch_requests_inside")


def figure(address: str, name: str) -> float:
    families = text_string_to_metric_families(httpx.get(f"{address}/metrics", timeout=LONG).text)
    return sum(sample.value for family in families for sample in family.samples if sample.name == name)


def test_told_to_stop_it_answers_whom_it_has_let_in(made: Indexed, tmp_path: Path) -> None:
    with serving(made.home, cache=tmp_path) as (process, address):
        place = urlsplit(address).netloc
        body, kind = _upload([made.photo(number) for number in range(6)])
        connections = [http.client.HTTPConnection(place, timeout=LONG) for _ in range(6)]
        for connection in connections:
            connection.request("GET", "/v1/health")
            assert connection.getresponse().read() == b'{"status":"ok"}'
        for connection in connections:
            connection.request("POST", "/v1/collections/home/search/upload", body, {"Content-Type": kind})
        process.send_signal(signal.SIGTERM)
        for connection in connections:
            answer = connection.getresponse()
            assert answer.status == 200 and json.loads(answer.read())["hits"]  # whole, whenever it begins
            assert answer.headers["connection"] == "close"
        _, errors = end(process)
        assert process.returncode == 0 and "Traceback" not in errors


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.skipif(sys.platform == "win32", reason="-"))])
def test_told_to_stop_it_resets_no_connection_that_is_in_use(made: Indexed, tmp_path: Path, workers: int) -> None:
    with serving("--workers", str(workers), made.home, cache=tmp_path) as (process, address):
        place, ends, asked = urlsplit(address).netloc, [], threading.Semaphore(0)

        def ask() -> None:
            connection = http.client.HTTPConnection(place, timeout=LONG)
            connection.connect()
            connection.auto_open = 0  # a closed connection is seen as one
            try:
                while True:
                    connection.request("GET", "/v1/health")
                    answer = connection.getresponse()
                    answer.read()
                    asked.release()
                    if answer.will_close:
                        ends.append("told")
                        return
            except (OSError, http.client.HTTPException) as error:
                ends.append(type(error).__name__)

        threads = [threading.Thread(target=ask) for _ in range(24)]
        for thread in threads:
            thread.start()
        for _ in range(20 * len(threads)):
            assert asked.acquire(timeout=LONG)
        process.send_signal(signal.SIGTERM)
        for thread in threads:
            thread.join(LONG)
        assert ends == ["told"] * len(threads)
        end(process)
        assert process.returncode == 0


def test_a_stream_of_events_ends_when_the_server_stops(made: Indexed, tmp_path: Path) -> None:
    home = shutil.copytree(made.home, tmp_path / "home")
    for number in range(300):
        write_photo(tmp_path / "many" / f"{number}.png", 1000 + number)
    with serving("--writable", "--root", tmp_path / "many", home, cache=tmp_path) as (process, address):
        wanted = {"verb": "index", "arguments": {"paths": [str(tmp_path / "many")], "workers": 1}}
        job = httpx.post(f"{address}/v1/collections/home/jobs", json=wanted, timeout=LONG).json()["id"]
        with httpx.stream("GET", f"{address}/v1/jobs/{job}/events", timeout=LONG) as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: progress"
            process.send_signal(signal.SIGTERM)
            rest = list(lines)  # to its end, which is no broken connection
        assert not any(line == "event: failed" for line in rest)
        end(process)
        assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_several_processes_share_the_port_and_the_figures(made: Indexed, tmp_path: Path) -> None:
    secret = "0123456789abcdef"
    token = tmp_path / "token"
    token.write_text(secret)
    arguments = ("--workers", "2", "--token-file", token, made.home)
    with serving(*arguments, cache=tmp_path) as (process, address):
        commands = [Path(f"/proc/{pid}/cmdline") for pid in _children(process.pid)]
        assert all(secret not in command.read_text() for command in commands if command.exists())
        headers = {"Authorization": f"Bearer {secret}"}
        for _ in range(20):  # each on a connection of its own
            answer = httpx.post(
                f"{address}/v1/collections/home/search", json={"examples": [{"id": 1}]}, headers=headers, timeout=LONG
            )
            assert answer.status_code == 200
        first = httpx.post(
            f"{address}/v1/collections/home/search", json=_question(), headers=headers, timeout=LONG
        ).json()
        second = httpx.post(
            f"{address}/v1/collections/home/search",
            json={**_question(), "cursor": first["next"]},
            headers=headers,
            timeout=LONG,
        )
        assert second.status_code == 200, "every worker knows the cursors of the others"
        found = httpx.get(f"{address}/metrics", headers=headers, timeout=LONG).text
        samples = [sample for family in text_string_to_metric_families(found) for sample in family.samples]
        counted = [s.value for s in samples if s.name == "dinosearch_requests_total" and s.labels["method"] == "POST"]
        assert sum(counted) == 22
        end(process)
        assert process.returncode == 0


def test_writing_takes_one_process(made: Indexed) -> None:
    process = start("--workers", "2", "--writable", made.home)
    _, errors = process.communicate(timeout=LONG)
    assert process.returncode == 2 and "--writable" in errors and "Traceback" not in errors


def test_a_taken_port_is_said(made: Indexed, tmp_path: Path) -> None:
    with serving(made.home, cache=tmp_path) as (_, address):
        other = start("--port", str(urlsplit(address).port), made.home)
        _, errors = other.communicate(timeout=LONG)
        assert other.returncode == 2 and "port" in errors and "Traceback" not in errors


def test_while_another_process_writes_every_answer_is_right(made: Indexed, tmp_path: Path) -> None:
    home = shutil.copytree(made.home, tmp_path / "home")
    for number in range(40):
        write_photo(tmp_path / "new" / f"{number}.png", 500 + number)
    photos = [made.photos / f"{number:02}.png" for number in range(6)]
    stop, wrong, asked = threading.Event(), [], []

    def ask(address: str, photo: Path) -> None:
        with httpx.Client(timeout=LONG) as client:
            while not stop.is_set():
                files = {"image": photo.read_bytes()}
                answer = client.post(f"{address}/v1/collections/home/search/upload", files=files)
                best = [hit["path"] for hit in answer.json().get("hits", ())[:2]]
                asked.append(answer.json().get("state"))
                if answer.status_code != 200 or str(photo) not in best:
                    wrong.append((answer.status_code, answer.text[:300]))

    with serving(home, cache=tmp_path) as (_, address):
        threads = [threading.Thread(target=ask, args=(address, photo)) for photo in photos]
        for thread in threads:
            thread.start()
        try:
            for verb in (["index", str(tmp_path / "new")], ["remove", str(tmp_path / "new" / "3.png")], ["compact"]):
                command = [sys.executable, "-m", "dinosearch", "--home", str(home), *verb]
                subprocess.run(command, check=True, timeout=LONG, capture_output=True)
        finally:
            stop.set()
            for thread in threads:
                thread.join(LONG)
        images = httpx.get(f"{address}/v1/collections/home", timeout=LONG).json()["images"]
        assert images == 12 + 2 + 40 - 1  # the odd one and the portrait of the home, less the removed one
    assert wrong == [] and len(set(asked)) > 1


def _question() -> dict[str, object]:
    return {"examples": [{"id": 1}], "k": 2}


def _children(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split() + [str(pid)]
    except OSError:
        return []


def _upload(images: list[bytes]) -> tuple[bytes, str]:
    """A multipart body and its content type."""
    parts = [
        b'--edge\r\nContent-Disposition: form-data; name="image"; filename="x.png"\r\n\r\n' + image + b"\r\n"
        for image in images
    ]
    return b"".join(parts) + b"--edge--\r\n", "multipart/form-data; boundary=edge"
