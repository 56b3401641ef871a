"""Speed of the monitor's checks: PSI, KS and nulls of 19 columns x 36 batches of 600 against 5,000 reference rows.

Run by `make bench`. The target for all 36 batches together is 0.1 s. Evidently needs about 0.6 s for one such report,
NannyML about 2 s for two of its methods.
"""

from typing import Any

import numpy as np
from figures import Figure, Tell

from sim.mlops.statistics.stability import Reference
from sim.world.telco.table import SCHEMA
from sim.world.telco.twin import sample

_BATCHES = 36


def test_the_checks_of_36_batches(benchmark: Any, tell: Tell) -> None:
    """The reference included: it is made once for a champion."""
    rng = np.random.default_rng(0)
    rows, scores = sample(rng, 5000), rng.random(1000)
    batches = [sample(rng, 600) for _ in range(_BATCHES)]

    def check() -> None:
        reference = Reference.of(SCHEMA, rows, scores)
        for batch in batches:
            reference.compare(batch)

    benchmark.pedantic(check, rounds=20, warmup_rounds=2)
    seconds = benchmark.stats.stats.min
    tell(
        Figure("monitor: PSI, KS, nulls of 36 batches", f"{1000 * seconds:.0f} ms", seconds / 0.1, "0.1 s", at_most=1)
    )


def test_the_tests_of_36_batches(benchmark: Any, tell: Tell) -> None:
    """What is measured on request: the p-values of PSI, and KS and chi-squared."""
    rng = np.random.default_rng(0)
    reference = Reference.of(SCHEMA, sample(rng, 5000), rng.random(1000))
    batches = [sample(rng, 600) for _ in range(_BATCHES)]

    def check() -> None:
        for batch in batches:
            reference.psi_p_values(batch)
            reference.test_p_values(batch)

    benchmark.pedantic(check, rounds=20, warmup_rounds=2)
    tell(Figure("monitor: tests on request, 36 batches", f"{1000 * benchmark.stats.stats.min:.0f} ms"))
