"""Collections are found by name, wait for their homes, and take over what others commit without a failed request."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from dinosearch import Collection
from dinosearch.errors import CollectionNotFoundError
from dinosearch.server import catalogue
from dinosearch.server.app import create_app
from dinosearch.server.catalogue import Catalogue
from dinosearch.server.settings import Settings
from dinosearch.server.work.batching import BatchingEmbedder
from dinosearch.server.work.side_by_side import SideBySideEmbedder
from tests.conftest import write_photo
from tests.server.conftest import ADDRESS, Indexed, make_home

LONG = 60
SHARING = (BatchingEmbedder, SideBySideEmbedder)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Indexed:
    """A home of the bundled model."""
    return make_home(tmp_path_factory.mktemp("catalogue"), model="mini")


@pytest.fixture
def home(made: Indexed, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made.home, tmp_path / "one"))


def serving(*homes: Path, **settings: bool) -> TestClient:
    wanted = Settings(homes=tuple((home.name, str(home)) for home in homes), **settings)
    return TestClient(create_app(wanted), base_url=ADDRESS)


def ask(client: TestClient, name: str = "one") -> int:
    return client.post(f"/v1/collections/{name}/search", json={"examples": [{"id": 1}]}).status_code


def until_ready(client: TestClient) -> None:
    for _ in range(10 * LONG):
        if client.get("/v1/ready").status_code == 200:
            return
        threading.Event().wait(0.1)
    raise AssertionError("it is never ready")


def test_each_is_asked_by_its_name(home: Path, made: Indexed, tmp_path: Path) -> None:
    with Collection.open(tmp_path / "two", create=True, model="mini") as other:
        other.index(write_photo(tmp_path / "x" / "only.png", 77), workers=1)
    with serving(home, tmp_path / "two") as client:
        images = {one["name"]: one["images"] for one in client.get("/v1/collections").json()["collections"]}
        assert images == {"one": Collection.open(made.home, read_only=True).info().images, "two": 1}
        answer = client.get("/v1/collections/three")
        assert (answer.status_code, answer.json()["type"]) == (404, "urn:dinosearch:NoSuchCollection")


def test_it_is_ready_when_the_model_is_loaded(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    warm_up = catalogue.Served.warm_up
    monkeypatch.setattr(catalogue.Served, "warm_up", lambda served: (go.wait(LONG), warm_up(served)))
    with serving(home) as client:
        assert client.get("/v1/ready").status_code == 503
        assert client.get("/v1/health").status_code == 200
        go.set()
        client.app.state.context.catalogue._warming.join(LONG)  # type: ignore[attr-defined]
        assert client.get("/v1/ready").status_code == 200
        served = client.app.state.context.catalogue["one"]  # type: ignore[attr-defined]
        assert isinstance(served.collection.embedder, SHARING)


def test_without_batching_the_model_stands_alone(home: Path) -> None:
    opened = Catalogue(Settings(homes=(("one", str(home)),), batching=False))
    try:
        assert not isinstance(opened["one"].collection.embedder, SHARING)
    finally:
        opened.close()


def test_a_home_that_goes_away_is_503_until_it_is_back(home: Path) -> None:
    with serving(home) as client:
        until_ready(client)
        assert ask(client) == 200
        home.rename(home.with_name("away"))
        answer = client.post("/v1/collections/one/search", json={"examples": [{"id": 1}]})
        assert answer.status_code == 503 and "Retry-After" in answer.headers and str(home) not in answer.text
        assert client.get("/v1/ready").status_code == 503
        home.with_name("away").rename(home)
        assert ask(client) == 200
        until_ready(client)


def test_another_home_in_its_place_is_opened(home: Path, made: Indexed, tmp_path: Path) -> None:
    with serving(home) as client:
        assert ask(client) == 200
        shutil.rmtree(home)
        with Collection.open(home, create=True, model="mini") as other:
            other.index(write_photo(tmp_path / "x" / "only.png", 77), workers=1)
        assert client.get("/v1/collections/one").json()["images"] == 1


def test_the_map_of_another_home_in_its_place_is_another(home: Path, made: Indexed, tmp_path: Path) -> None:
    """Though as much was committed to the one as to the other."""
    with serving(home) as client:
        before = drawn(client)
        shutil.rmtree(home)
        shutil.copytree(made.home, home)
        with Collection.open(home) as other:
            other.remove("id:2")
        assert drawn(client) == [number for number in before if number != 2]


def drawn(client: TestClient) -> list[int]:
    """Ids of the first map that the server gives."""
    for _ in range(10 * LONG):
        answer = client.get("/v1/collections/one/map")
        if answer.status_code == 200:
            return [point[0] for point in answer.json()["points"]]
        threading.Event().wait(0.02)
    raise AssertionError("it is never drawn")


def test_a_home_that_was_not_there_is_opened_when_it_comes(home: Path, made: Indexed, tmp_path: Path) -> None:
    late = tmp_path / "late"
    with serving(home, late) as client:
        assert (ask(client), ask(client, "late"), client.get("/v1/ready").status_code) == (200, 503, 503)
        shutil.copytree(made.home, late)
        assert ask(client, "late") == 200
        until_ready(client)


def test_where_no_home_is_there_it_says_so_at_once(tmp_path: Path) -> None:
    with pytest.raises(CollectionNotFoundError, match="dinosearch index"):
        Catalogue(Settings(homes=(("none", str(tmp_path / "none")),)))


def test_changes_of_another_process_also_of_the_model_fail_no_request(home: Path, made: Indexed) -> None:
    """The other process is another `Collection` here: readers share nothing with it but the home."""
    stop, wrong = threading.Event(), []
    photos = {made.photos / f"{number:02}.png" for number in range(4)}
    content = {photo: photo.read_bytes() for photo in photos}

    def ask_all(client: TestClient) -> None:
        while not stop.is_set():
            for photo, data in content.items():
                answer = client.post("/v1/collections/one/search/upload", files={"image": data})
                first = [hit["path"] for hit in answer.json().get("hits", ())[:2]]
                if answer.status_code != 200 or str(photo) not in first:
                    wrong.append((answer.status_code, first, answer.text[:200]))

    with serving(home) as client:
        dimension = client.get("/v1/collections/one").json()["fingerprint"]["preprocessing"]
        threads = [threading.Thread(target=ask_all, args=(client,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        try:
            with Collection.open(home) as writer:
                writer.index(write_photo(made.photos.parent / "more" / "new.png", 55), workers=1)
                writer.remove("id:9")
                writer.compact()
                writer.migrate(preprocessing="crop-224", workers=1)
                images = writer.info().images
        finally:
            stop.set()
            for thread in threads:
                thread.join(LONG)
        after = client.get("/v1/collections/one").json()
        assert (after["images"], after["fingerprint"]["preprocessing"]) == (images, "crop-224") != (images, dimension)
        assert client.get("/v1/ready").status_code == 200
    assert wrong == []
