"""What a server says of the library's errors: what happened, and nothing of where, nor commands of its owner."""

from __future__ import annotations

import pytest

from dinosearch import errors
from dinosearch.advice import Named, Sentence, run
from dinosearch.errors import DinosearchError, ImageNotFoundError, ImageUnreadableError, NoVectorError, SettingError
from dinosearch.server.wire.problems import of_error, without_paths

HOME = "/srv/my photos/index"
SECRET = Named(HOME, "postgresql://u@db.inside/x")
CLASSES = [
    kind
    for kind in vars(errors).values()
    if isinstance(kind, type)
    and issubclass(kind, DinosearchError)
    and kind not in (NoVectorError, ImageUnreadableError)
]


@pytest.mark.parametrize("kind", CLASSES)
def test_no_advice_tells_where_a_collection_lies(kind: type[DinosearchError]) -> None:
    error = kind(
        f"the collection in {HOME} has no regions; add them with: ",
        run("index", "FOLDER", of=SECRET),
        ", or copy it with: ",
        run("export", "/srv/copy"),
        "; ask without regions; name another by --home; or with one box",
    )
    detail = of_error(error, [HOME]).detail
    assert not [word for word in ("srv", "photos", "db.inside", "dinosearch", "--home", "export") if word in detail], (
        detail
    )
    if kind in (SettingError, DinosearchError):
        assert detail == "the collection in the collection has no regions; ask without regions; or with one box"


def test_a_command_in_what_happened_is_kept_without_its_collection() -> None:
    sentence = Sentence("it was made by ", run("export", "A", of=SECRET), " and not whole; ", run("info", of=SECRET))
    assert without_paths(sentence) == "it was made by dinosearch export A and not whole"
    assert without_paths("plain text; leave out --box; ask again") == "plain text; ask again"


@pytest.mark.parametrize(
    ("error", "status", "detail"),
    [
        (ImageNotFoundError("id:7 waits", image_id=7), 404, "there is no image id:7 that can be asked with"),
        (ImageNotFoundError("id:x is no id such as id:12"), 404, "there is no such image"),
        (ImageNotFoundError(f"{HOME}/a.jpg: no such file; run ", run("index"), is_gone=True), 404,
         "the file of this image is gone"),
        (ImageUnreadableError(f"{HOME}/a.jpg", "truncated JPEG"), 422, "the image cannot be read: truncated JPEG"),
        (NoVectorError(3), 503, "the collection is damaged; its owner can mend it with verify --repair"),
    ],
)  # fmt: skip
def test_what_is_data_needs_not_be_read_from_the_message(error: DinosearchError, status: int, detail: str) -> None:
    error.tell(SECRET)
    refused = of_error(error, [HOME])
    assert (refused.status_code, refused.detail) == (status, detail)
