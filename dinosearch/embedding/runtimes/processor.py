"""What this processor is and can, as far as the system says it."""

from __future__ import annotations

import platform

_BFLOAT16 = {"avx512_bf16", "amx_bf16", "avx_ne_convert", "bf16"}


def instructions() -> frozenset[str]:
    """Names of its instruction sets, such as `avx512_bf16`; empty where the system does not tell."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            first = file.read().split("\n\n", 1)[0].splitlines()
    except OSError:
        return frozenset()
    # "flags" on x86, "Features" on ARM
    named = [line.partition(":")[2] for line in first if line.startswith(("flags", "Features"))]
    return frozenset(" ".join(named).split())


def has_bfloat16() -> bool | None:
    """Whether it multiplies bfloat16 by itself; None where the system does not tell.

    Programs claim more: OpenVINO names bfloat16 on every processor with AVX-512 and computes it in float32 there, which
    gains nothing (openvinotoolkit/openvino, src/plugins/intel_cpu, precision_support.cpp).
    """
    known = instructions()
    return bool(known & _BFLOAT16) if known else None


def processor() -> str:
    """What decides how it computes: its kind and its instruction sets, without asking another program."""
    return f"{platform.machine()} {sorted(instructions())}"
