"""The conformance suite for scenarios: the whole catalogue keeps it, and broken ones are told what they break."""

import random

import pytest
from lives import TWIN, small, toy_table

from scenarios.files import catalogue
from scenarios.injectors import ConceptDrift, DroppedFault, Fault, NullFault, NumberDrift
from scenarios.schema import Labels, Scenario, Time
from sim.errors import InputError
from sim.study.conformance import check_scenario
from sim.world.population import TablePopulation
from sim.world.telco.structure import Structure


@pytest.mark.slow
@pytest.mark.parametrize("name", catalogue())
def test_the_catalogue_conforms(name):
    check_scenario(catalogue()[name], TWIN)


def test_a_small_scenario_conforms():
    drift = [
        NumberDrift(kind="number", column="tenure", factor=0.5, onset_step=2),
        NullFault(kind="nulls", columns=("Contract",), share=0.3, onset_step=3),
    ]
    check_scenario(small(drift=drift), TWIN)


class Eager(NumberDrift):
    """Acts from the first step on, whatever its onset."""

    def intensity(self, step):
        return self.strength if step >= 0 else 0.0

    def reach(self, step):
        return 1.0 if step >= 0 else 0.0


class Stubborn(NumberDrift):
    """Acts whatever its strength."""

    def intensity(self, step):
        return 1.0 if step >= self.onset_step else 0.0


class Fickle(NumberDrift):
    """Acts as it likes."""

    def intensity(self, step):
        return random.random() if step >= self.onset_step else 0.0


class Meddling(NumberDrift, Fault):
    """Calls itself a quality fault, and changes the customers."""


def drifting(kind, **fields):
    return small(drift=[kind(kind="number", column="MonthlyCharges", factor=2.0, onset_step=3, **fields)])


NOBODY = NullFault(kind="nulls", columns=("tenure",), where="Contract=Two year & Contract=One year", onset_step=3)
BROKEN = {
    "before the onset": (drifting(Eager), "must touch nothing before step 3, its onset, but .* touches step 0"),
    "of no strength": (drifting(Stubborn), "of strength 0 must change nothing, but .* changes step 3"),
    "not repeatable": (drifting(Fickle), "must give the same world for the same seed, but small@1 did not at step 3"),
    "a fault that changes the truth": (drifting(Meddling), "must leave the truth alone, but .* changes it at step 3"),
    "acts on nobody": (small(drift=[NOBODY]), "must change something, but .* acts on nobody"),
    "labels too late": (
        small(steps=3).model_copy(update={"labels": Labels(delay_days=90, horizon_days=90)}),
        "must last until its first labels count",
    ),
    "nobody is scored": (
        small(drift=[DroppedFault(kind="dropped", onset_step=0)]),
        "a world must have a customer who is scored",
    ),
    "too small": (
        Scenario(id="x", title="X", time=Time(customers=1, steps=3)),
        "a world must have 10 trainable rows",
    ),
    "no such term": (
        small(drift=[ConceptDrift(kind="concept", shifts={"Kontract=Two year": 1.0}, onset_step=0)]),
        "must name a column of the table, got 'Kontract'",
    ),
    "what a file can't say": (
        small().model_copy(update={"id": "Not an id"}),
        "String should match pattern",
    ),
}


@pytest.mark.parametrize(("scenario", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_scenario_is_refused(scenario, message):
    with pytest.raises(InputError, match=message):
        check_scenario(scenario, TWIN)


def test_one_seed_is_too_few():
    with pytest.raises(InputError, match="at least two seeds, got 1"):
        check_scenario(small(), TWIN, seeds=(1,))


def test_a_population_whose_customers_break_its_rules_is_refused():
    whole = Structure(frozenset({"MonthlyCharges"}))
    table = TablePopulation("whole", toy_table(400), TWIN.mechanism, structure=whole)
    with pytest.raises(InputError, match="one breaks this: MonthlyCharges must hold whole numbers"):
        check_scenario(small(), table)
