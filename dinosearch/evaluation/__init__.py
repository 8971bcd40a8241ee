"""The retrieval benchmark: data sets, protocols, measures, and runs through the product's own path.

    from dinosearch.evaluation import load, plans, run_plans, write

`load` reads a data set, `plans` says what to run, `run_plans` does it, `write` makes the report. It imports no torch.
"""

from dinosearch.evaluation.ablation import AXES, Plan, plans, run_plans
from dinosearch.evaluation.dataset import Dataset
from dinosearch.evaluation.datasets import DATASETS, load
from dinosearch.evaluation.descriptors import run_descriptors
from dinosearch.evaluation.measuring import Options
from dinosearch.evaluation.report import read, write
from dinosearch.evaluation.result import Run
from dinosearch.evaluation.scoring import score
from dinosearch.evaluation.statistics import compare

__all__ = [
    "AXES",
    "DATASETS",
    "Dataset",
    "Options",
    "Plan",
    "Run",
    "compare",
    "load",
    "plans",
    "read",
    "run_descriptors",
    "run_plans",
    "score",
    "write",
]
