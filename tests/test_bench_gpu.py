"""scripts/bench_gpu.py: its count of the work against torch's own counter, and a tiny run without a GPU."""

from __future__ import annotations

import bench_gpu
import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from bench import device, report
from dinosearch.embedding import find_checkpoint
from dinosearch.embedding.families.dinov2 import TransformerConfig, VisionTransformer


def config_of(model: str) -> TransformerConfig:
    return TransformerConfig(**(find_checkpoint(model).shape or {}))


@pytest.mark.parametrize(
    ("model", "side", "expected"),
    [
        ("dinov2_vits14", 224, 12.25),
        ("dinov2_vits14", 518, 93.4),
        ("dinov2_vitb14", 224, 46.3),
        ("dinov2_vitb14", 518, 303),
    ],
)
def test_work_is_the_measured_one(model: str, side: int, expected: float) -> None:
    """performance.md, section A."""
    assert device.gflop(config_of(model), side) == pytest.approx(expected, rel=0.005)


@pytest.mark.parametrize("model", [*bench_gpu.MODELS, "dinov2_vitl14_reg4"])
def test_work_is_what_torch_counts(model: str) -> None:
    config = config_of(model)
    with torch.device("meta"), FlopCounterMode(display=False) as counter:
        VisionTransformer(config)(torch.empty(1, 3, 224, 224))
    assert device.gflop(config, 224) == pytest.approx(counter.get_total_flops() / 1e9, rel=0.01)


def test_a_tiny_run_without_a_gpu_judges_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    before = report.PAGE.read_bytes()
    bench_gpu.main(["--device", "cpu", "--quick", "--part", "forward", "--part", "search"])
    text = capsys.readouterr().out
    assert "no GPU was there" in text
    assert "| dinov2_vits14 | 28 | 2 | float32 |" in text
    assert "| IVF16,SQ8 | 100 queries |" in text
    assert "holds" not in text and "missed" not in text
    assert report.PAGE.read_bytes() == before


@pytest.mark.slow
def test_from_files_to_vectors(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("transformers")
    bench_gpu.main(["--device", "cpu", "--quick", "--part", "end"])
    text = capsys.readouterr().out
    ways = ("tutorial loop", "decoded on the device, from memory", "decoded on the host", "forward alone")
    for way in (*ways, "index run, DINOSEARCH_DECODE=gpu", "index run, default"):
        assert f"| {way}" in text
    assert "not judged without a GPU" in text


def test_figures_of_a_processor_are_not_written(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["--device", "cpu", "--write"], ["--device", "cpu", "--quick", "--write"]):
        with pytest.raises(SystemExit):
            bench_gpu.main(arguments)
        assert "--write is for figures of a GPU" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is here")
def test_without_a_gpu_it_says_what_can_be_run(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        bench_gpu.main([])
    assert "--device cpu --quick" in capsys.readouterr().err
