"""The contract of `contract.py` for pgvector."""

from tests.engines.contract import *  # noqa: F403

KIND = "pgvector"
