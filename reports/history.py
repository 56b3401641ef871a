"""A recorded history as reports tell it: its scenario lends prices, offers and jobs, and its story did not happen."""

from dataclasses import replace

from scenarios.schema import Scenario
from sim.mlops.records.record import Record

RECORDED = "labels as they were recorded"


def told_scenario(scenario: Scenario, population: str) -> Scenario:
    """Return the scenario that lent a history its prices, with what is to be told in place of its own story."""
    story = (
        f"The customers, their outcomes and the dates are those of {population}, as they were recorded. The scenario "
        f"{scenario.id} gave prices, offers and how long jobs take, and nothing else of it happened."
    )
    return scenario.model_copy(update={"title": f"The history {population}", "story": story})


def told_record(record: Record) -> Record:
    """Return a record as it is to be told: a history without the story of the scenario that lent it its prices."""
    if not record.is_recorded:
        return record
    return replace(record, scenario=told_scenario(record.scenario, record.population))
