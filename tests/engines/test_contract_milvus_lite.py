"""The contract of `contract.py` for milvus-lite."""

from tests.engines.contract import *  # noqa: F403

KIND = "milvus-lite"
