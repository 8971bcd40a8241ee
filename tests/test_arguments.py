"""Every public verb with arguments of every wrong kind: one clear sentence, and never an error from deep inside."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dinosearch import Collection, analysis, evaluation
from dinosearch.analysis.classify import classify, hold_vote
from dinosearch.analysis.duplicates import find_duplicates
from dinosearch.arguments import BOUNDS, KINDS
from dinosearch.client import Client
from dinosearch.errors import DinosearchError
from dinosearch.evaluation import Options
from tests.conftest import FakeEmbedder, write_photo
from tests.serving import served

NAN = float("nan")
THINGS = {
    "text": "x", "nan": NAN, "negative": -1, "huge": 10**30, "float": 1e9, "truth": True, "nothing": None,
    "bytes": b"x", "empty": [], "list of nothing": [None], "mixed list": ["x", 1.5], "mapping": {}, "object": object(),
    "nested": [[1, 2], [3]], "complex": 1j,
}  # fmt: skip
FITS = {
    "int": {"negative", "huge"},
    "float": {"negative", "huge", "float"},
    "bool": {"truth"},
    "str": {"text"},
    "Paths": {"text"},
    "int | Paths": {"text", "negative"},
    "Path": {"text"},
    "str | os.PathLike[str]": {"text"},
    "bool | Paths": {"text", "truth"},
    "Paths | Delivery": {"text"},
    "str | Preprocessing": {"text"},
    "Sequence[str]": {"empty"},
    "Sequence[Paths]": {"empty"},
    "Sequence[float]": {"empty"},
    "Sequence[float] | np.ndarray": {"empty"},
    "Sequence[QueryImage]": {"empty", "list of nothing", "mixed list", "nested"},
    "Sequence[int] | np.ndarray": {"empty"},
    "Iterable[int]": {"empty"},
    "Iterable[tuple[int, int]]": {"empty"},
    "np.ndarray": {"empty"},
    "Box": {"empty", "list of nothing", "mixed list", "nested", "text", "bytes", "mapping"},
}
"""By annotation: what is of the kind, whether or not the verb can do anything with it."""
IMAGES = {"text", "negative", "huge", "bytes"}
UNCHECKED = {"QueryImage", "T", "Self"}
FUNCTIONS = [
    analysis.cluster, analysis.outliers, analysis.project, analysis.recommend, analysis.curate, find_duplicates,
    classify, hold_vote, evaluation.load, evaluation.plans, evaluation.run_plans, evaluation.run_descriptors,
    evaluation.write, evaluation.read, evaluation.score, evaluation.compare, Options,
]  # fmt: skip


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collection]:
    folder = tmp_path_factory.mktemp("arguments")
    for number in range(4):
        write_photo(folder / "photos" / f"{number}.png", seed=number)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DINOSEARCH_DECODE", "inline")
        with Collection.open(folder / "home", create=True, embedder=FakeEmbedder()) as collection:
            collection.index(folder / "photos", workers=1)
            yield collection


@pytest.fixture(scope="module")
def client(collection: Collection) -> Iterator[Client]:
    with served({"photos": collection}) as address, Client.open(address) as client:
        yield client


def public(kind: type) -> list[str]:
    return [
        name
        for name, _ in inspect.getmembers(kind, callable)
        if not name.startswith("_") and len(inspect.signature(getattr(kind, name)).parameters) > 1
    ]


def wrong(verb: Callable[..., Any]) -> Iterator[tuple[str, str, str, Any]]:
    """Each argument of a verb with its annotation, and each thing that is none of that."""
    for name, parameter in inspect.signature(verb).parameters.items():
        text = str(parameter.annotation).removesuffix(" | None")
        if name in ("self", "cls") or text not in KINDS:
            continue
        fits = FITS.get(text, set()) | ({"nothing"} if text != parameter.annotation else set())
        yield from ((name, text, what, thing) for what, thing in THINGS.items() if what not in fits)


def called(verb: Callable[..., Any], name: str, thing: Any) -> None:
    """Call it with nothing else, which is missed only after what is there was looked at."""
    parameters = list(inspect.signature(verb).parameters.values())
    place = [parameter.name for parameter in parameters].index(name)
    if parameters[place].kind is inspect.Parameter.VAR_POSITIONAL:
        verb(*[1] * place, thing)
    else:
        verb(**{name: thing})


def refuses(verb: Callable[..., Any]) -> None:
    asked = 0
    for name, text, what, thing in wrong(verb):
        with pytest.raises((TypeError, ValueError)) as refused:
            called(verb, name, thing)
        said = str(refused.value)
        assert said.startswith(f"{name} is ") and "\n" not in said and len(said) < 250, (name, text, what, said)
        assert ", not " in said or "of which none is nan" in said, said
        assert isinstance(refused.value, DinosearchError) == (what == "nan" and text == "float"), (name, what, said)
        asked += 1
    known = inspect.signature(verb).parameters.values()
    assert asked or all(str(p.annotation).removesuffix(" | None") not in KINDS for p in known)


@pytest.mark.parametrize("name", public(Collection))
def test_collection(collection: Collection, name: str) -> None:
    refuses(getattr(collection, name))


@pytest.mark.parametrize("name", public(Client))
def test_client(client: Client, name: str) -> None:
    refuses(getattr(client, name))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_functions(function: Callable[..., Any]) -> None:
    refuses(function)


@pytest.mark.parametrize("asked", ["collection", "client"])
@pytest.mark.parametrize("what", sorted(set(THINGS) - IMAGES))
def test_images(request: pytest.FixtureRequest, asked: str, what: str) -> None:
    of = request.getfixturevalue(asked)
    for verb in (of.query, of.embed, lambda image: of.query("id:1", negative=[image])):
        with pytest.raises((TypeError, ValueError, DinosearchError), match="image") as refused:
            verb(THINGS[what])
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("verb", "arguments", "said"),
    [
        ("query", {"threshold": "x"}, "threshold is a number, not 'x'"),
        ("query", {"threshold": NAN}, "threshold is a number, not nan"),
        ("query", {"negative": "a.jpg"}, "negative is a list of images, not 'a.jpg'; write: negative=['a.jpg']"),
        ("query", {"exact": "no"}, "exact is True or False, not 'no'"),
        ("query", {"weights": [NAN]}, "weights is a list of numbers, of which none is nan"),
        ("query", {"k": 0}, "k is the number of hits wanted, at least 1, not 0"),
        ("query", {"k": 1.5}, "k is the number of hits wanted, a whole number, not 1.5"),
        ("picture", {"side": "x"}, "side is the longest side in pixels, a whole number, not 'x'"),
        ("vectors", {"ids": [1.5]}, "ids is a list of ids, which are whole numbers, not [1.5]"),
        ("vectors", {"ids": 7}, "ids is a list of ids, which are whole numbers, not 7; write: ids=[7]"),
        ("vectors", {"ids": [2**64]}, "ids is a list of ids, which are whole numbers, not [18446744073709551616]"),
        ("index", {"recall": 1.5}, "recall is a share, above 0 and at most 1, not 1.5"),
        ("index", {"workers": 10**6}, "workers is the number of decoding processes, at least 1 and at most 1,024, not"),
    ],
)
@pytest.mark.parametrize("asked", ["collection", "client"])
def test_sentences(request: pytest.FixtureRequest, asked: str, verb: str, arguments: dict[str, Any], said: str) -> None:
    with pytest.raises((TypeError, ValueError)) as refused:
        getattr(request.getfixturevalue(asked), verb)(**arguments)
    assert str(refused.value).startswith(said)


@pytest.mark.parametrize("number", [-1, 10**30, f"id:{10**30}"])
def test_ids_that_no_image_can_have(collection: Collection, number: int | str) -> None:
    with pytest.raises(DinosearchError, match="there is no image of that id in"):
        collection.query(number)


def test_sizes_without_limit_take_no_memory(collection: Collection) -> None:
    row = collection.embed("id:1")
    few, _ = collection.rank(row, k=4)
    for k in (10**9, 10**30):
        found, scores = collection.rank(row, k=k)
        assert found.tolist() == few.tolist() and scores.shape == (1, 4)
        assert [hit.id for hit in collection.search_vectors(row, k=k)[0]] == found[0].tolist()


def test_what_numpy_and_generators_give_is_taken(collection: Collection) -> None:
    ids, rows = collection.vectors(np.array([3, 1], np.uint8))
    assert ids.tolist() == [3, 1] and len(collection.vectors([])[0]) == 0 == len(collection.vectors(np.array([]))[0])
    (found,), _ = collection.rank(rows[:1], k=np.int64(2), ids=range(1, 4), exact=np.True_)
    assert found[0] == 3 and len(found) == 2
    assert collection.query("id:1", threshold=np.float32(-1), k=1, weights=(w for w in [1]))
    assert collection.not_duplicates(number for number in (1, 2)) == []


def test_every_annotation_of_a_public_verb_is_known() -> None:
    """A new verb whose arguments nobody looks at is seen here."""
    texts = {
        str(parameter.annotation).removesuffix(" | None")
        for kind in (Collection, Client)
        for name in public(kind)
        for parameter in list(inspect.signature(getattr(kind, name)).parameters.values())[1:]
    }
    assert texts - set(KINDS) <= UNCHECKED | {"Self"}
    assert set(BOUNDS) and all(bounds.least <= bounds.most for bounds in BOUNDS.values())


def test_help_shows_the_verbs_as_they_are_written() -> None:
    assert list(inspect.signature(Collection.rank).parameters)[:3] == ["self", "vectors", "k"]
    assert "ids (n, k) int64" in str(Collection.rank.__doc__)


def test_a_class_method_keeps_its_class(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="create is True or False, not 'yes'"):
        Collection.open(tmp_path, create="yes")  # type: ignore[arg-type]
    assert not Collection.exists(tmp_path)
