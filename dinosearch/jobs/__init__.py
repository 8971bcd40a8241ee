"""Embedding past one process: sources cut into shards, embedded by any number of machines, taken in by any home.

It owns Ray, Arrow and fsspec, which are optional; importing it loads none of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dinosearch.lazy import later

if TYPE_CHECKING:
    from dinosearch.jobs.delivery import ShardDelivery, failures, is_delivery
    from dinosearch.jobs.engines import ENGINES, Resources
    from dinosearch.jobs.job import JobState, JobSummary, embed

__all__ = ["ENGINES", "JobState", "JobSummary", "Resources", "ShardDelivery", "embed", "failures", "is_delivery"]

__getattr__ = later(
    __name__,
    {
        **dict.fromkeys(("ENGINES", "Resources"), ".engines"),
        **dict.fromkeys(("ShardDelivery", "failures", "is_delivery"), ".delivery"),
        **dict.fromkeys(("JobState", "JobSummary", "embed"), ".job"),
    },
)
