"""`dinosearch plan`: what it prints, and what it refuses."""

from __future__ import annotations

import json
import re

import pytest
from click.testing import CliRunner, Result

from dinosearch.cli import cli
from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.sizing import ASSUMPTIONS, plan


def run(*words: str) -> Result:
    return CliRunner().invoke(cli, ["plan", *words])


def test_json_has_what_the_library_says():
    done = run("--images", "2e7", "--model", "dinov2_vitb14", "--recall", "0.9", "--machine-ram", "64GB", "--json")
    told = json.loads(done.stdout)
    assert (told.pop("schema"), told.pop("type")) == (1, "plan")
    made = plan(20_000_000, "dinov2_vitb14", 0.9, {"machine_ram": 64e9})
    assert told == json.loads(json.dumps(made.to_dict()))


def test_the_text_has_every_step_and_assumption_of_the_json():
    words = ("--images", "1G", "--recall", "0.95")
    text, told = run(*words).stdout, json.loads(run(*words, "--json").stdout)
    assert text.startswith("1,000,000,000 images, dinov2_vits14: 384 numbers a vector, recall@10 0.95\n")
    steps = [*told["embedding"], *told["costs"], *(step for place in told["places"] for step in place["steps"])]
    for step in steps:
        assert re.search(rf"^  {step['key']} = .*\n    = {re.escape(step['formula'])}$", text, re.MULTILINE), step
        assert f"    = {step['numbers']}\n" in text
    for assumption in told["assumptions"]:
        assert re.search(rf"^  {assumption['key']} .*\({re.escape(assumption['source'])}\)$", text, re.MULTILINE)
    for place in told["places"]:
        assert f"\n{place['name']} " in text
        assert all(reason in text for reason in place["reasons"])


@pytest.mark.parametrize("images", ["1e9", "1G", "1000000000", "1_000_000_000"])
def test_numbers_are_written_in_any_of_the_ways(images):
    assert json.loads(run("--images", images, "--json").stdout)["images"] == 10**9


def test_every_option_reaches_its_assumption():
    for assumption in filter(lambda a: a.flag, ASSUMPTIONS.values()):
        value = 1 if assumption.key == "usable" else assumption.value + 1
        told = json.loads(run("--images", "1e6", assumption.flag, str(value), "--json").stdout)
        (found,) = [one for one in told["assumptions"] if one["key"] == assumption.key]
        assert (found["value"], found["source"]) == (value, "given")


def test_any_assumption_can_be_replaced():
    plain, more = (
        json.loads(run("--images", "1e8", *words, "--json").stdout) for words in ((), ("--assume", "pg_row=1e3"))
    )
    metadata = [
        next(s["value"] for s in told["places"][2]["steps"] if s["key"] == "pg_metadata") for told in (plain, more)
    ]
    assert metadata[1] - metadata[0] == pytest.approx(1e8 * (1000 - ASSUMPTIONS["pg_row"].value))


@pytest.mark.parametrize("model", CHECKPOINTS)
def test_it_takes_every_model_by_each_of_its_names(model):
    for name in (model, *CHECKPOINTS[model].aliases):
        assert json.loads(run("--images", "1e5", "--model", name, "--json").stdout)["model"] == model


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ((), "Missing option '--images'"),
        (("--images", "a lot"), "'a lot' is no number"),
        (("--images", "12"), "from 1e3 to 1e11"),
        (("--images", "1e9", "--model", "dinov3"), "there is no model 'dinov3'"),
        (("--images", "1e9", "--recall", "0"), "--recall"),
        (("--images", "1e9", "--recall", "1.1"), "--recall"),
        (("--images", "1e9", "--usable", "2"), "usable cannot be 2"),
        (("--images", "1e9", "--machine-ram", "much"), "'much' is no number"),
        (("--images", "1e9", "--assume", "nothing=1"), "there is no assumption 'nothing'"),
        (("--images", "1e9", "--assume", "pg_row"), "'' is no number"),
    ],
)
def test_bad_input_is_one_sentence(words, sentence):
    done = run(*words)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert sentence in done.stderr
    assert "Traceback" not in done.stderr
