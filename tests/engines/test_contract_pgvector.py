"""The contract of `contract.py` and its neighbours for pgvector."""

from tests.engines.contract import *  # noqa: F403
from tests.engines.contract_migrate import *  # noqa: F403
from tests.engines.contract_parts import *  # noqa: F403
from tests.engines.contract_refine import *  # noqa: F403

KIND = "pgvector"
