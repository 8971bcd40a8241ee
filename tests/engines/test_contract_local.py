"""The contract of `contract.py` for a folder."""

from tests.engines.contract import *  # noqa: F403

KIND = "local"
