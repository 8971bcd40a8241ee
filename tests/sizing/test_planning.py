"""Plans against figures worked out by hand, and what must hold for any of them."""

from __future__ import annotations

import math

import pytest

from dinosearch.embedding.checkpoints import CHECKPOINTS
from dinosearch.engines.milvus_indexes import wanted_index
from dinosearch.errors import DinosearchError
from dinosearch.sizing import Plan, plan
from dinosearch.sizing.formula import work_out
from dinosearch.sizing.models import gigaflop

BILLION = 1_000_000_000


def line(made: Plan, key: str) -> float:
    places = [step for place in made.places for step in place.lines]
    (found,) = [step.value for step in (*made.forms, *places, *made.embedding, *made.costs) if step.formula.key == key]
    return found


def milvus(made: Plan, index: str):
    return next(place for place in (*made.places, *made.others) if place.index == index)


def test_a_billion_vectors_of_384_numbers():
    """Bytes a vector, and machines of 256 GB with 180 GB usable, first one copy and then two (worked out by hand)."""
    given = {"usable": 180 / 256, "path_bytes": 60}
    one, two = (plan(BILLION, "dinov2_vits14", 0.95, given | {"replicas": copies}) for copies in (1, 2))
    forms = {step.formula.key: step.value for step in two.forms}
    assert {key: forms[key] for key in ("float32", "float16", "sq8", "fast", "rabitq", "product")} == {
        "float32": 1536,
        "float16": 768,
        "sq8": 384,
        "fast": 96,
        "rabitq": 56,
        "product": 48,
    }
    assert forms["links"] == 136
    # 480, 144, 165, 1,768 and 1,632 GB: a code, 8 bytes of row number, 8 of id, 8 of time and 64 of fields.
    machines = {"IVF_SQ8": 3, "IVF_RABITQ": 1, "DISKANN": 1, "HNSW": 10, "IVF_FLAT": 10}
    for index, expected in machines.items():
        assert milvus(one, index).machines == expected, index
        assert milvus(two, index).machines == 2 * expected, index
    assert milvus(two, "IVF_RABITQ").memory == (56 + 8 + 80) * 1e9
    assert 1.2e12 <= milvus(two, "DISKANN").disk <= 1.8e12


def test_milvus_gets_the_index_that_dinosearch_builds():
    for images, recall in ((50_000, 0.9), (50_001, 0.9), (4_000_000, 0.98), (4_000_001, 0.98), (10**9, 0.9999)):
        made = plan(images, "dinov2_vits14", recall)
        assert made.places[1].index == wanted_index(images, 384, recall, lite=False, options={}).type
        assert made.places[1].fits


def test_gpu_hours_requests_and_bytes_of_a_billion_images():
    hours = {5000: 55.6, 3000: 92.6, 2000: 138.9, 1000: 277.8}  # 1e9 / rate / 3600
    for rate, expected in hours.items():
        made = plan(BILLION, "dinov2_vits14", 0.95, {"gpu_measured": rate, "cores_per_gpu": 64, "gpus": 16})
        assert line(made, "gpu_hours") == pytest.approx(expected, abs=0.05)
        assert line(made, "embed_hours") == pytest.approx(expected / 16, abs=0.01)
        assert line(made, "cost_gpus") == pytest.approx(3 * expected, abs=0.2)
    assert line(made, "network") == 100e12
    assert line(made, "shards") == 390_625
    assert line(made, "cost_single") == pytest.approx(400)
    assert line(made, "cost_shards") == pytest.approx(0.156, abs=0.001)
    assert line(made, "cost_images") == pytest.approx(2300)


def test_decoding_binds_where_the_cores_are_few():
    few = plan(10**6, "dinov2_vits14", given={"gpu_measured": 5000, "cores_per_gpu": 4, "megapixels": 2})
    decode = 5.6 + 2 * 2.8
    assert line(few, "rate") == pytest.approx(4000 / decode)
    assert line(few, "gpu_hours") == pytest.approx(10**6 / (4000 / decode) / 3600)
    assert line(few, "feed_cores") == math.ceil(5000 * decode / 1000)


def test_a_large_model_by_hand():
    """20 million images, ViT-L: 1,024 numbers, 64 GB machines, two copies."""
    made = plan(20_000_000, "dinov2_vitl14", 0.98, {"machine_ram": 64e9, "path_bytes": 100})
    lists = round(2 * math.sqrt(20e6))
    index = 20e6 * (1024 / 4 + 8) + lists * (16 * 256 + 4096) + 4 * 1024 * (1024 + 16)
    local = made.places[0]
    assert local.index == f"RR1024,IVF{lists},PQ512x4fsr"
    assert local.disk == pytest.approx(20e6 * (4096 + 12) + 2 * index + 20e6 * (228 + 220), rel=1e-6)
    assert local.memory == pytest.approx(index + 20e6 * 19 + 0.7e9, rel=1e-6)
    assert (local.fits, local.machines) == (True, 2)
    pgvector = made.places[2]
    a_row = math.ceil((80 + 2048) / 8) * 8 + 4 + 204
    assert pgvector.memory == pytest.approx(20e6 / (8160 // a_row) * 8192)
    assert not pgvector.fits
    assert "the usable memory of the one box has 44.8 GB" in pgvector.reasons[0]
    fitting = plan(20_000_000, "dinov2_vitl14", 0.98, {"machine_ram": 96e9}).places[2]
    assert (fitting.fits, fitting.machines) == (True, 2)


def counted(name: str) -> float:
    """What torch counts in our network of that shape, without computing it."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    from dinosearch.embedding.families import family

    checkpoint = CHECKPOINTS[name]
    kind = family(checkpoint.family)
    with torch.device("meta"), torch.inference_mode(), FlopCounterMode(display=False) as counter:
        kind.network(kind.config(**checkpoint.shape)).eval()(torch.zeros(1, 3, 224, 224))
    return float(counter.get_total_flops()) / 1e9


def test_operations_of_the_published_shapes():
    published = {"dinov2_vits14": 12.25, "dinov2_vitb14": 46.3}  # docs: two operations a multiplication, 224 pixels
    for name, expected in published.items():
        assert gigaflop(CHECKPOINTS[name], 224) == pytest.approx(expected, rel=0.01)
    for name, checkpoint in CHECKPOINTS.items():
        if checkpoint.shape is not None:
            assert gigaflop(checkpoint, 224) == pytest.approx(counted(name), rel=0.01), name
    assert gigaflop(CHECKPOINTS["dinov2_vits14"], 518) == pytest.approx(93.4, rel=0.01)
    assert gigaflop(CHECKPOINTS["dinov2_vitb14"], 518) == pytest.approx(303, rel=0.01)


@pytest.mark.parametrize("model", CHECKPOINTS)
def test_every_model_and_size_can_be_planned(model):
    sizes = [10**power for power in range(3, 12)] + [50_000, 50_001, 99_999_999_999]
    for images in sizes:
        for recall in (0.5, 0.95, 1.0):
            made = plan(images, model, recall)
            assert made.dimension == CHECKPOINTS[model].dimension
            assert [place.name for place in made.places] == ["local", "milvus", "pgvector"]
            for place in (*made.places, *made.others):
                assert place.fits == (place.machines > 0) == (place.queries > 0)
                assert place.fits or place.reasons
                assert min(place.memory, place.disk, place.build_hours) >= 0


def test_more_images_never_take_less():
    # From 50,001 on the vectors are kept in 4 bits for two numbers, so that the index shrinks there and grows again.
    for steps in ([10**3, 5_000, 20_000, 50_000], [50_001, 10**5, 10**6, 10**7, 10**8, 10**9, 10**10, 10**11]):
        made = [plan(images, "dinov2_vitb14", 0.95) for images in steps]
        for key in (
            "local_disk",
            "local_ram",
            "local_ms",
            "local_load_hours",
            "pg_index",
            "pg_disk",
            "gpu_hours",
            "shards",
            "cost_gpus",
        ):
            values = [line(one, key) for one in made]
            assert values == sorted(values), key
        for index in ("HNSW", "IVF_SQ8", "DISKANN"):
            values = [(milvus(one, index).machines, milvus(one, index).memory) for one in made]
            assert values == sorted(values), index


def test_longer_vectors_larger_models_and_higher_recall_never_take_less():
    names = ("mini", "dinov2_vits14", "dinov2_vitb14", "dinov2_vitl14", "dinov2_vitg14")
    made = [plan(10**7, name, 0.95) for name in names]
    for key in ("local_disk", "local_ram", "pg_index", "pg_disk", "cpu_hours", "gpu_hours"):
        values = [line(one, key) for one in made]
        assert values == sorted(values), key
    asked = [plan(10**7, "dinov2_vits14", recall) for recall in (0.5, 0.9, 0.93, 0.98, 0.985, 0.99, 0.999, 1.0)]
    assert [line(one, "local_ms") for one in asked] == sorted(line(one, "local_ms") for one in asked)
    assert [one.places[1].machines for one in asked] == sorted(one.places[1].machines for one in asked)


def test_every_step_can_be_worked_out_again():
    """Formulas over the assumptions that are listed give the values that are listed: nothing is left out."""
    made = plan(3 * 10**8, "dinov2_vitb14", 0.97).to_dict()
    values = {assumption["key"]: assumption["value"] for assumption in made["assumptions"]}
    steps = [*made["forms"], *(step for place in made["places"] for step in place["steps"]), *made["embedding"]]
    for step in steps:
        values[step["key"]] = work_out(step["formula"], values)
        assert values[step["key"]] == pytest.approx(step["value"], rel=1e-12), step["key"]


@pytest.mark.parametrize(
    ("model", "given", "sentence"),
    [
        ("dinov2_vits", {}, "there is no model"),
        ("mini", {"prize": 1}, "there is no assumption 'prize'"),
        ("mini", {"usable": 1.5}, "usable cannot be 1.5"),
        ("mini", {"replicas": 0}, "replicas cannot be 0"),
        ("mini", {"replicas": 1.5}, "replicas cannot be 1.5"),
        ("mini", {"machine_ram": -1}, "machine_ram cannot be -1"),
        ("mini", {"gpu_hour": float("nan")}, "gpu_hour cannot be nan"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(model, given, sentence):
    with pytest.raises(DinosearchError, match=sentence):
        plan(10**6, model, 0.95, given)
