"""`dinosearch benchmark` as a researcher uses it: holes in data, ablations, comparisons, interruptions, mistakes."""

from __future__ import annotations

import html
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dinosearch.evaluation import DATASETS, Options, load, plans, read, run_plans
from tests.conftest import write_photo
from tests.evaluation.conftest import invoke, means, runs


@pytest.fixture
def home(embedded: Path, tmp_path: Path) -> Path:
    """A copy of the home with the landmarks' vectors."""
    return Path(shutil.copytree(embedded, tmp_path / "home"))


def test_list_names_every_data_set_with_its_protocol(tmp_path: Path) -> None:
    result = invoke(tmp_path, "--list")
    assert result.exit_code == 0
    for name, loader in DATASETS.items():
        assert any(line.startswith(f"{name} ") and loader.protocol in line for line in result.stdout.splitlines())


def test_report_lies_beside_the_vectors_and_is_printed(home: Path, landmarks: Path) -> None:
    result = invoke(home, "roxford5k", "--data", landmarks)
    assert result.exit_code == 0
    report = next(home.glob("benchmark/roxford5k-*/report"))
    assert sorted(path.name for path in report.iterdir()) == ["report.html", "report.json", "report.md"]
    assert result.stdout == (report / "report.md").read_text()
    for title in ("What the index loses", "Whether the neighbours are the right ones", "What it costs", "Recipe"):
        assert f"### {title}\n" in result.stdout
    assert f"report: {report / 'report.html'}" in result.stderr
    page = (report / "report.html").read_text()
    assert page.count("<svg") >= 4
    assert page.count("data:image/jpeg;base64,") > 10
    assert "<script" not in page


def test_json_has_the_whole_recipe(home: Path, landmarks: Path) -> None:
    run = runs(invoke(home, "roxford5k", "--data", landmarks, "--json", "--seed", "7"))[0]
    recipe, dataset = run["recipe"], run["dataset"]
    for fact in ("version", "commit", "python", "packages", "machine", "device", "depth", "index", "average_precision"):
        assert recipe[fact], fact
    assert set(recipe["packages"]) >= {"torch", "numpy", "pillow", "sqlalchemy"}
    assert len(recipe["fingerprint"]["weights_sha256"]) == 64
    assert (recipe["query_crop"], recipe["pooling"], recipe["seed"]) == ("none", "cls", 7)
    assert (dataset["images"], dataset["queries"]) == (95, 15)
    assert len(dataset["truth_sha256"]) == len(dataset["images_sha256"]) == 64
    assert any("LVD-142M" in note for note in dataset["notes"])
    assert any("do not compare figures" in note for note in dataset["notes"])
    assert [len(scores["values"]) for scores in run["scores"]] == [15, 15, 15]
    assert run["published"] == []


def test_missing_and_broken_images_are_reported_and_count_as_not_found(landmarks: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(landmarks, data)
    truth = pickle.loads((data / "roxford5k" / "gnd_roxford5k.pkl").read_bytes())
    absent, broken = (truth["imlist"][truth["gnd"][1]["easy"][i]] for i in (0, 1))
    (data / "roxford5k" / "jpg" / f"{absent}.jpg").unlink()
    (data / "roxford5k" / "jpg" / f"{broken}.jpg").write_bytes(b"\xff\xd8\xff no photo")
    query = truth["qimlist"][2]
    (data / "roxford5k" / "jpg" / f"{query}.jpg").unlink()
    result = invoke(tmp_path / "home", "roxford5k", "--data", data, "--json")
    assert result.exit_code == 3
    assert "2 of 95 images are missing or unreadable and count as not found" in result.stderr
    run = runs(result)[0]
    reasons = {entry["path"]: entry["reason"] for entry in run["dataset"]["unreadable"]}
    assert set(reasons) == {f"jpg/{absent}.jpg", f"jpg/{broken}.jpg"}
    assert reasons[f"jpg/{absent}.jpg"] == "not there"
    assert run["dataset"]["queries_without_vector"] == 1
    easy = {row["query"]: row["mAP"] for row in run["scores"][0]["values"]}
    assert easy[f"jpg/{truth['qimlist'][1]}.jpg"] == 0  # both of its easy images are gone
    assert easy[f"jpg/{query}.jpg"] == 0
    assert run["scores"][0]["means"]["mAP"]["queries"] == 14


def test_without_any_image_there_is_no_figure(landmarks: Path, tmp_path: Path) -> None:
    data = tmp_path / "data" / "roxford5k"
    (data / "jpg").mkdir(parents=True)
    shutil.copy(landmarks / "roxford5k" / "gnd_roxford5k.pkl", data)
    result = invoke(tmp_path / "home", "roxford5k", "--data", data)
    assert result.exit_code == 2
    assert "none of the 95 images of roxford5k could be read" in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_ablation_has_one_row_a_combination_and_embeds_nothing_twice(home: Path, landmarks: Path) -> None:
    axes = ["--ablate", "index=auto,ivf-sq8,exact", "--ablate", "recall=0.9,0.99"]
    result = invoke(home, "roxford5k", "--data", landmarks, "--json", *axes)
    found = runs(result)
    wanted = [f"index {index}, recall {recall}" for index in ("auto", "ivf-sq8", "exact") for recall in ("0.9", "0.99")]
    assert [run["label"] for run in found] == wanted
    assert {run["cost"]["embedded"] for run in found} == {0}
    assert [run["recipe"]["search"] for run in found] == ["index"] * 4 + ["exact"] * 2
    assert "SQ8" in found[2]["recipe"]["index"]["type"]
    assert found[1]["recipe"]["index"]["recall_target"] == 0.99
    assert all(run["loss"] is None for run in found[4:])
    assert all(means(run) == pytest.approx(means(found[4]), abs=1e-6) for run in found)
    report = next(home.glob("benchmark/roxford5k-*/report/report.md")).read_text()
    assert "### The runs at a glance" in report
    assert all(f"| {label} |" in report for label in wanted)


def test_ablation_over_what_makes_the_vectors(home: Path, landmarks: Path) -> None:
    found = runs(invoke(home, "roxford5k", "--data", landmarks, "--json", "--ablate", "size=64,96"))
    assert [run["recipe"]["preprocessing"] for run in found] == ["squash-64", "squash-96"]
    assert [run["cost"]["embedded"] for run in found] == [110, 110]
    assert means(found[0]) != means(found[1])
    pooled = runs(invoke(home, "roxford5k", "--data", landmarks, "--json", "--ablate", "pooling=cls,cls+mean"))
    assert [run["recipe"]["pooling"] for run in pooled] == ["cls", "cls+mean"]
    assert [run["cost"]["embedded"] for run in pooled] == [0, 110]


def test_query_crops_stand_in_chapters_of_their_own(home: Path, landmarks: Path) -> None:
    result = invoke(home, "roxford5k", "--data", landmarks, "--ablate", "query-crop=none,bbx")
    assert result.exit_code == 0
    assert "(query_crop none)\n" in result.stdout
    assert "(query_crop bbx)\n" in result.stdout
    assert "change" not in result.stdout


def test_against_an_earlier_report_queries_are_paired(home: Path, landmarks: Path, tmp_path: Path) -> None:
    invoke(home, "roxford5k", "--data", landmarks, "--report", tmp_path / "before", "--ablate", "size=64")
    result = invoke(home, "roxford5k", "--data", landmarks, "--against", tmp_path / "before")
    assert result.exit_code == 0
    before = read(tmp_path / "before")[0]
    after = read(next(home.glob("benchmark/roxford5k-*/report")))
    assert [run.label for run in after] == ["size 64", "mini squash-224"]
    change = after[1].scores[1].mean("mAP").value - before.scores[1].mean("mAP").value
    assert f"{100 * change:+.2f}" in result.stdout


def test_truncated_rankings_count_what_they_lack_as_not_found(home: Path, landmarks: Path) -> None:
    whole, cut = (
        runs(invoke(home, "roxford5k", "--data", landmarks, "--json", "--exact", *depth))[0]
        for depth in ([], ["--depth", "5"])
    )
    assert cut["recipe"]["depth"] == 5
    for one, other in zip(whole["scores"], cut["scores"], strict=True):
        pairs = [(a["mAP"], b["mAP"]) for a, b in zip(one["values"], other["values"], strict=True)]
        assert all(b <= a for a, b in pairs if a is not None)
    assert means(cut)["medium mAP"] < means(whole)["medium mAP"]


def test_rectangular_precision_is_named_as_such(home: Path, landmarks: Path) -> None:
    run = runs(invoke(home, "roxford5k", "--data", landmarks, "--json", "--rectangular"))[0]
    assert run["scores"][0]["measures"][0] == "mAP-rectangular"
    assert run["recipe"]["average_precision"] == "rectangular"


def test_an_interrupted_run_goes_on_where_it_was(landmarks: Path, tmp_path: Path) -> None:
    dataset = load("roxford5k", landmarks)

    def interrupt(stage: str, done: int, total: int | None) -> None:
        if stage == "index" and done >= 40:
            raise KeyboardInterrupt

    planned = list(plans({"model": "mini", "preprocessing": "squash-112"}, Options(), []))  # batches of 32 of the 110
    with pytest.raises(KeyboardInterrupt):
        list(run_plans(dataset, tmp_path / "homes", planned, progress=interrupt))
    run = next(run_plans(dataset, tmp_path / "homes", planned))
    assert 0 < run.cost.embedded < 110
    whole = next(run_plans(dataset, tmp_path / "fresh", planned))
    assert np.allclose(run.scores[1].values, whole.scores[1].values, atol=1e-6, equal_nan=True)


def test_own_photos_in_class_folders(tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    for label in range(3):
        for view in range(3):
            base = Image.open(write_photo(tmp_path / "base.png", seed=label, size=(200, 160)))
            path = folder / f"place & {label}" / f"{view}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            base.crop((view, view, 180 + view, 140 + view)).save(path)
    result = invoke(tmp_path / "home", "folder", "--data", folder, "--json")
    run = runs(result)[0]
    assert means(run)["all mAP-rectangular"] == 1
    assert run["dataset"]["title"] == "mine (3 labels)"
    page = next((tmp_path / "home").glob("benchmark/folder-*/report/report.html")).read_text()
    assert html.escape("place & 0/0.png") in page


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["nope", "--data", "."], "there is no data set 'nope'"),
        (
            ["roxford5k", "--data", "absent"],
            "absent does not exist; name the place of Revisited Oxford (2018): gnd_roxford5k.pkl",
        ),
        (["cub", "--data", ".", "--distractors", "."], "cub takes no distractors"),
        (
            ["roxford5k", "--data", "{set}", "--ablate", "colour=red"],
            "there is no axis 'colour' to vary; known are model",
        ),
        (["roxford5k", "--data", "{set}", "--ablate", "size"], "axis size has no values"),
        (["roxford5k", "--data", "{set}", "--ablate", "size=big"], "size 'big' is not a number of pixels"),
        (["roxford5k", "--data", "{set}", "--ablate", "recall=2"], "recall '2' is not a share"),
        (["roxford5k", "--data", "{set}", "--ablate", "pooling=best"], "pooling 'best' is not one of cls, mean"),
        (["roxford5k", "--data", "{set}", "--ablate", "index=best"], "index 'best' is not one of auto"),
        (["roxford5k", "--data", "{set}", "--ablate", "model=best"], "best"),
        (["roxford5k", "--data", "{set}", "--ablate", "preprocessing=best-1"], "best-1"),
        (["roxford5k", "--data", "{set}", "--against", "absent.json"], "absent.json is not a whole benchmark report"),
    ],
)
def test_mistakes_get_one_sentence(arguments: list[str], why: str, landmarks: Path, tmp_path: Path) -> None:
    result = invoke(tmp_path / "home", *(word.format(set=landmarks) for word in arguments))
    assert result.exit_code == 2
    assert why in result.stderr
    assert len([line for line in result.stderr.splitlines() if line.startswith("dinosearch:")]) == 1
    assert result.stdout == ""


@pytest.mark.parametrize("more", [[], ["--descriptors", "absent.npy"]])
def test_an_unknown_stage_is_refused_before_anything_is_embedded(
    more: list[str], landmarks: Path, tmp_path: Path
) -> None:
    result = invoke(tmp_path / "home", "roxford5k", "--data", landmarks, "--rerank", "best", *more)
    assert result.exit_code == 2
    assert "'best' is neither a preset (fast, balanced, thorough) nor a stage" in result.stderr
    assert not (tmp_path / "home").exists()


def test_geometry_is_measured_through_the_pictures_and_refused_for_descriptors(home: Path, landmarks: Path) -> None:
    result = invoke(home, "roxford5k", "--data", landmarks, "--rerank", "geometry", "--descriptors", "absent.npy")
    assert result.exit_code == 2
    assert "geometry compares pictures, which descriptors have not" in result.stderr


def test_a_query_that_was_missing_is_embedded_when_it_has_come(landmarks: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(landmarks, data)
    query = data / "roxford5k" / "jpg" / "tower_1.jpg"
    query = query if query.exists() else next((data / "roxford5k" / "jpg").glob("*_1.jpg"))
    query.rename(tmp_path / query.name)
    crop = ["--query-crop", "bbx", "--ablate", "size=64", "--json"]
    before = runs(invoke(tmp_path / "home", "roxford5k", "--data", data, *crop))[0]
    (tmp_path / query.name).rename(query)
    after = runs(invoke(tmp_path / "home", "roxford5k", "--data", data, *crop))[0]
    assert [run["dataset"]["queries_without_vector"] for run in (before, after)] == [1, 0]
