"""What several test modules share."""

from time import monotonic

import pytest
from hypothesis import settings

from sim.world.schema.table import Table
from sim.world.telco.table import find, read_table

settings.register_profile("retrainlab", deadline=None)  # a wall clock decides no test
settings.load_profile("retrainlab")


_BEGUN = monotonic()


def pytest_addoption(parser: pytest.Parser) -> None:
    told = "skip what would begin later than so many minutes after the start; 0: nothing"
    parser.addoption("--minutes", type=float, default=0.0, metavar="N", help=told)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test for which no time is left: a slow machine then tells of most tests, where it told of none."""
    minutes = item.config.getoption("minutes")
    if minutes and monotonic() - _BEGUN > 60 * minutes:
        pytest.skip(f"the {minutes:g} minutes of these tests are over")


@pytest.fixture(scope="session")
def telco() -> Table:
    """The real table, from the environment or the cache; never downloaded."""
    path = find()
    if path is None:
        pytest.skip("the real Telco table is not at hand: set RETRAINLAB_TELCO_CSV")
    return read_table(path, verify_hash=True)
