"""Sentences whose commands are data: plain text to all who do not look at them."""

from __future__ import annotations

import copy
import json
import pickle
import shlex

import pytest

from dinosearch.advice import Command, Named, Sentence, filled, run
from dinosearch.errors import DamagedHomeError, DinosearchError, ImageNotFoundError, ImageUnreadableError, NoVectorError

HOME = Named("my & photos")


def test_a_sentence_is_its_text() -> None:
    sentence = Sentence("rows are damaged; mend them with: ", run("verify", "--repair"), ", or look")
    text = "rows are damaged; mend them with: dinosearch verify --repair, or look"
    assert sentence == text and hash(sentence) == hash(text) and json.dumps(sentence) == json.dumps(text)
    assert type(str(sentence)) is str and type(f"{sentence}") is str
    assert sentence.parts == ("rows are damaged; mend them with: ", Command("verify", ("--repair",)), ", or look")
    for again in (pickle.loads(pickle.dumps(sentence)), copy.deepcopy(sentence), Sentence(sentence)):
        assert again == text and again.parts == sentence.parts


def test_commands_are_completed_where_nobody_knew_the_collection() -> None:
    sentence = Sentence("copy it with: ", run("export", "A B"), ", ", run("import", "A B", of=Named("COPY", "x://y")))
    about = sentence.about(HOME)
    first, second = (shlex.split(part) for part in about.removeprefix("copy it with: ").split(", "))
    assert first == ["dinosearch", "export", "A B", "--home", "my & photos"]
    assert second == ["dinosearch", "import", "A B", "--home", "COPY", "--metadata", "x://y"]
    assert sentence.lacks and not about.lacks
    assert about.anonymous() == "copy it with: dinosearch export 'A B', dinosearch import 'A B'"


def test_a_template_keeps_what_is_put_into_it() -> None:
    told = filled("{name} has {count:,} faults; {advice}, then: {verify}", name="{x}", count=1000,
                  advice=Sentence("run: ", run("info")), verify=run("verify"))  # fmt: skip
    assert told == "{x} has 1,000 faults; run: dinosearch info, then: dinosearch verify"
    assert [part.verb for part in told.parts if isinstance(part, Command)] == ["info", "verify"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (DinosearchError("only text"), "only text"),
        (DamagedHomeError("it is gone; run: ", run("index", "FOLDER")), "it is gone; run: dinosearch index FOLDER"),
        (NoVectorError(7), "id:7 has no sound vector; mend that with: dinosearch verify --repair"),
        (ImageUnreadableError("a.jpg", "truncated"), "a.jpg: truncated"),
        (ImageNotFoundError("no id:3; see: ", run("export", "-"), image_id=3), "no id:3; see: dinosearch export -"),
        (DinosearchError(), ""),
    ],
)
def test_errors_have_their_commands_as_data_also_in_another_process(error: DinosearchError, text: str) -> None:
    for known in (error, pickle.loads(pickle.dumps(error))):
        assert str(known) == text == known.sentence and type(known) is type(error)
        assert vars(known) == vars(error)
        assert known.sentence.parts == error.sentence.parts
    known.tell(HOME)
    assert not known.sentence.lacks and str(known) == known.sentence == error.sentence.about(HOME)
    assert pickle.loads(pickle.dumps(known)).sentence == known.sentence
