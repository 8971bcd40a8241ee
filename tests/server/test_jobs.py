"""Jobs do what the verbs of `Collection` do, one at a time, followed by events, cancelled without loss."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.testclient import TestClient

from dinosearch import Collection
from dinosearch.protocols import Progress
from dinosearch.server.app import create_app
from dinosearch.server.routes import jobs as job_routes
from dinosearch.server.settings import Settings
from dinosearch.server.work import jobs
from dinosearch.server.work.job_verbs import JobProgress
from tests.conftest import FakeEmbedder, write_photo
from tests.server.conftest import ADDRESS, HERE, NAME, Serve

LONG = 30


@pytest.fixture
def writable(photo_folder: Path, tmp_path: Path) -> Iterator[tuple[TestClient, Collection]]:
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as collection:
        settings = Settings(writable=True, roots=(str(photo_folder),))
        with TestClient(create_app(settings, {NAME: collection}), base_url=ADDRESS) as client:
            yield client, collection


def begin(client: TestClient, verb: str, **arguments: Any) -> str:
    answer = client.post(f"{HERE}/jobs", json={"verb": verb, "arguments": arguments})
    assert answer.status_code == 202, answer.text
    assert answer.headers["Location"] == f"/v1/jobs/{answer.json()['id']}"
    return str(answer.json()["id"])


def events(client: TestClient, job: str, **headers: str) -> list[tuple[int, str, dict[str, Any]]]:
    """All events of a job, up to its end."""
    answer = client.get(f"/v1/jobs/{job}/events", headers=headers)
    assert answer.headers["content-type"].startswith("text/event-stream")
    found = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.partition(": ")[::2] for line in block.splitlines() if not line.startswith(":"))
        if "event" in fields:
            found.append((int(fields["id"]), fields["event"], json.loads(fields["data"])))
    return found


def do(client: TestClient, verb: str, **arguments: Any) -> dict[str, Any]:
    *_, (_, kind, data) = events(client, begin(client, verb, **arguments))
    assert kind == "done", data
    return dict(data["result"])


def test_an_index_job_does_what_index_does(
    writable: tuple[TestClient, Collection], photo_folder: Path, tmp_path: Path
) -> None:
    client, collection = writable
    (photo_folder / "bad.jpg").write_bytes(b"\xff\xd8 no picture")
    job = begin(client, "index", paths=[str(photo_folder)])
    *progress, (_, kind, last) = events(client, job)
    with Collection.open(tmp_path / "oracle", create=True, embedder=FakeEmbedder()) as oracle:
        wanted = oracle.index(photo_folder)
    assert kind == "done" and {name for _, name, _ in progress} == {"progress"}
    counts = {**wanted.to_dict(), "seconds": 0, "failures": 0}
    assert {**last["result"], "seconds": 0, "failures": 0} == counts
    assert [one["path"] for one in last["result"]["failures"]] == [str(photo_folder / "bad.jpg")]
    stages = [data["stage"] for _, _, data in progress]
    assert {"scan", "index"} <= set(stages) and set(progress[-1][2]) == set(JobProgress.model_fields)
    words = {(data["stage"], data["doing"], data["unit"]) for _, _, data in progress}
    assert {("scan", "looking for images", "files"), ("index", "indexing", "images")} <= words
    assert collection.info().images == 12
    shown = client.get(f"/v1/jobs/{job}").json()
    assert (shown["status"], shown["verb"], shown["result"]) == ("done", "index", last["result"])
    assert [one["id"] for one in client.get("/v1/jobs").json()["jobs"]] == [job]


def test_every_verb_gives_what_its_method_gives(writable: tuple[TestClient, Collection], photo_folder: Path) -> None:
    client, collection = writable
    for number in range(12, 24):
        write_photo(photo_folder / f"{number}.png", number)
    do(client, "index", paths=[str(photo_folder)])
    assert do(client, "remove", targets=["id:1", str(photo_folder / "01.png")]) == {"removed": 2}
    assert do(client, "compact")["rows_after"] == 22 == collection.info().rows
    assert do(client, "verify")["ok"] is True and do(client, "verify", repair=True)["rows"] == 22
    refined = do(client, "refine", augment=2)
    assert refined["kind"] == "refined" and refined["rows"] == 22
    assert do(client, "diffuse", edges=5, truncation=10)["kind"] == "diffusion"
    assert do(client, "unrefine") == {} and collection.info().derived == ()
    assert do(client, "calibrate", sample=20)["positives"] > 0
    judged = client.post(f"{HERE}/verdicts", json={"query": 3, "results": [4], "same": False})
    assert judged.json()["calibration"]["rejected"] == 1


def test_events_can_be_read_again_from_any_of_them(writable: tuple[TestClient, Collection], photo_folder: Path) -> None:
    client, _ = writable
    job = begin(client, "index", paths=[str(photo_folder)])
    whole = events(client, job)
    assert [number for number, _, _ in whole] == list(range(1, len(whole) + 1))
    assert events(client, job, **{"Last-Event-ID": str(whole[0][0])}) == whole[1:]
    assert events(client, job, **{"Last-Event-ID": str(whole[-1][0])}) == []


def test_one_job_at_a_time_and_cancelling_keeps_what_was_committed(
    writable: tuple[TestClient, Collection], photo_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client, collection = writable
    inside, go = threading.Event(), threading.Event()
    index = Collection.index

    def slow(self: Collection, *paths: Any, progress: Progress, **given: Any) -> Any:
        def told(stage: str, done: int, total: int | None) -> None:
            if stage == "index" and done == total:
                inside.set()
                go.wait(LONG)
            progress(stage, done, total)

        return index(self, *paths, progress=told, **given)

    monkeypatch.setattr(Collection, "index", slow)
    job = begin(client, "index", paths=[str(photo_folder)])
    assert inside.wait(LONG)
    second = client.post(f"{HERE}/jobs", json={"verb": "compact"})
    assert second.status_code == 409 and second.json()["type"] == "urn:dinosearch:HomeLockedError"
    assert client.post(f"{HERE}/search/upload", files={"image": (photo_folder / "00.png").read_bytes()}).is_success
    assert client.delete(f"/v1/jobs/{job}").status_code == 202
    go.set()
    assert events(client, job)[-1][1] == "cancelled" == client.get(f"/v1/jobs/{job}").json()["status"]
    assert client.delete(f"/v1/jobs/{job}").json()["status"] == "cancelled"
    monkeypatch.setattr(Collection, "index", index)
    again = do(client, "index", paths=[str(photo_folder)])
    assert (again["embedded"], again["unchanged"]) == (0, 12), "what was committed is kept"
    assert collection.info().images == 12


def test_a_failure_is_a_problem_without_paths(writable: tuple[TestClient, Collection], photo_folder: Path) -> None:
    client, _ = writable
    do(client, "index", paths=[str(photo_folder)])
    *_, (_, kind, data) = events(client, begin(client, "remove", targets=[str(photo_folder / "none.png")]))
    assert kind == "failed" and data["problem"]["type"] == "urn:dinosearch:ImageNotFoundError"
    assert str(photo_folder) not in json.dumps(data)


def test_folders_that_were_not_allowed_are_refused(
    writable: tuple[TestClient, Collection], photo_folder: Path, tmp_path: Path
) -> None:
    client, collection = writable
    (tmp_path / "photos-secret").mkdir()
    (photo_folder / "out").symlink_to(tmp_path / "photos-secret")
    outside = (tmp_path, tmp_path / "photos-secret", photo_folder / "out", photo_folder / ".." / "home", "/etc")
    for path in outside:
        answer = client.post(f"{HERE}/jobs", json={"verb": "index", "arguments": {"paths": [str(path)]}})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:dinosearch:FolderNotAllowed"), path
    assert collection.info().images == 0 and client.get("/v1/jobs").json()["jobs"] == []


@pytest.mark.parametrize(
    "wanted",
    [
        {"verb": "import"},
        {"verb": "migrate", "arguments": {"weights": "/etc/passwd"}},
        {"verb": "index"},
        {"verb": "index", "arguments": {"paths": []}},
        {"verb": "index", "arguments": {"paths": ["photos"]}},
        {"verb": "index", "arguments": {"paths": ["/x\0"]}},
        {"verb": "index", "arguments": {"paths": ["/x"], "progress": 1}},
        {"verb": "compact", "arguments": {"recall": 1}},
        {"verb": "remove", "arguments": {"targets": ["id:-1"]}},
        {"verb": "calibrate", "arguments": {"sample": 3}},
        {"verb": "verify", "arguments": {"repair": 1}},
    ],
)
def test_arguments_are_checked(writable: tuple[TestClient, Collection], wanted: dict[str, Any]) -> None:
    assert writable[0].post(f"{HERE}/jobs", json=wanted).status_code == 422


def test_a_server_that_only_reads_changes_nothing(served: TestClient) -> None:
    verdicts = {"query": 1, "results": [2], "same": True}
    for answer in (
        served.post(f"{HERE}/jobs", json={"verb": "compact"}),
        served.post(f"{HERE}/verdicts", json=verdicts),
    ):
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:dinosearch:ReadOnly")
    assert served.get("/v1/jobs").json() == {"jobs": []}
    assert served.get("/v1/jobs/none").status_code == served.delete("/v1/jobs/none").status_code == 404
    assert served.get("/v1/jobs/none/events").status_code == 404


def test_hidden_folders_stay_hidden_in_results(collection: Collection, serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    write_photo(folder / "one.png", 1)
    (folder / "bad.png").write_bytes(b"none")
    with Collection.open(tmp_path / "home", create=True, embedder=FakeEmbedder()) as other:
        client = serve({NAME: other}, writable=True, hide_paths=True, roots=(str(folder),))
        assert [one["path"] for one in do(client, "index", paths=[str(folder)])["failures"]] == ["bad.png"]


def test_ended_jobs_are_kept_in_a_bounded_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "KEPT", 3)
    told: list[tuple[str, str]] = []
    board = jobs.Jobs(lambda verb, outcome: told.append((verb, outcome)))
    started = []
    for number in range(6):
        started.append(board.start("one", "verb", {}, lambda progress: {}).id)
        board.join()
        assert told[number] == ("verb", "done")
    kept = [job.id for job in board.list()]
    assert kept[0] == started[-1] and len(kept) == 4  # and those before the last one was begun


def test_streams_end_when_the_server_stops_and_a_comment_keeps_them_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(job_routes, "ALIVE", 0.01)
    board, inside = jobs.Jobs(), threading.Event()

    def run(progress: Progress) -> dict[str, Any]:
        progress("scan", 1, None)
        while True:
            inside.wait(0.005)
            progress("scan", 2, None)

    job = board.start("one", "index", {}, run)

    async def read() -> str:
        text = ""
        async for part in job_routes._stream(board, job, 0):
            text += part
            if ": alive" in text:
                board.close()
        return text

    text = asyncio.run(asyncio.wait_for(read(), LONG))
    board.join()
    assert "event: progress" in text and job.status == "cancelled" and not job.changed
    with pytest.raises(Exception, match="stopped"):
        board.start("one", "index", {}, run)


def test_rates_and_the_time_left_follow_from_what_was_done(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(jobs, "time", SimpleNamespace(monotonic=lambda: now[0]))
    job = jobs.Job("1", "one", "index", {})
    report = jobs._Reports(job)
    for second in range(5):
        report("index", 20 * second, 200)
        report("index", 20 * second + 1, 200)  # too soon after the other
        now[0] += 1
    shown = [event.data for event in job.events]
    assert [one["done"] for one in shown] == [0, 20, 40, 60, 80]
    assert shown[-1]["rate"] == 20 and shown[-1]["eta"] == 6 and shown[0]["rate"] is None
    report("build", 1, None)
    words = {"stage": "build", "doing": "building the index", "unit": "vectors"}
    assert job.progress == {**words, "done": 1, "total": None, "rate": None, "eta": None}
