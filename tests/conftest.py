"""What several test modules share."""

import pytest
from hypothesis import settings

from sim.world.schema.table import Table
from sim.world.telco.table import find, read_table

settings.register_profile("retrainlab", deadline=None)  # a wall clock decides no test
settings.load_profile("retrainlab")


@pytest.fixture(scope="session")
def telco() -> Table:
    """The real table, from the environment or the cache; never downloaded."""
    path = find()
    if path is None:
        pytest.skip("the real Telco table is not at hand: set RETRAINLAB_TELCO_CSV")
    return read_table(path, verify_hash=True)
