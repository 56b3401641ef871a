"""Captions: what a picture rests on, in words: the data, the scenario, the seeds and the kind of interval."""

from collections.abc import Sequence

from reports.history import RECORDED
from scenarios.schema import Scenario, Time
from sim.mlops.records.record import Record
from sim.study.comparison.boards import Board
from sim.study.inference.contests import MIN_SEEDS
from sim.study.surface.search import SearchIdentity

_SOURCES = {"telco": "the real IBM Telco table", "twin": "a synthetic twin of the IBM Telco table"}


def record_caption(record: Record, note: str = "") -> str:
    """Return the caption of a chart of one record; one life has no interval, and the caption says so."""
    scenario = record.scenario
    facts = (
        f"Source: record of {'the history' if record.is_recorded else f'{scenario.name} played on'} "
        f"{source(record.population)}",
        f"policy {record.policy}, gates {record.gates}",
        f"{len(record.steps)} steps of {scenario.time.step_days} days, {scenario.time.customers:,} customers each",
        RECORDED if record.is_recorded else onset_words(scenario),
        f"seed {record.seed} alone, so there is no interval over seeds",
    )
    return _joined(facts, note)


def board_caption(
    board: Board, seeds: Sequence[int], population: str, note: str = "", *, is_of_one_past: bool = False
) -> str:
    """Return the caption of a chart of one board of a comparison."""
    facts = (
        f"Source: comparison on {source(population)}",
        f"scenario {board.scenario}, gates {board.gates}",
        seeds_words(seeds, is_of_one_past=is_of_one_past),
    )
    return _joined(facts, note)


def seeds_words(seeds: Sequence[int], *, is_of_one_past: bool = False) -> str:
    """Return which seeds were played and what interval they allow; of one past, whose customers were drawn again.

    >>> seeds_words([1, 2, 3])
    'seeds 1 to 3: fewer than 5, so there is no interval'
    """
    listed = sorted(seeds)
    if len(listed) == 1:
        return f"seed {listed[0]} alone, so there is no interval over seeds"
    is_run = listed == list(range(listed[0], listed[-1] + 1)) and len(listed) > 2
    told = f"{listed[0]} to {listed[-1]}" if is_run else ", ".join(map(str, listed))
    if len(listed) < MIN_SEEDS:
        return f"seeds {told}: fewer than {MIN_SEEDS}, so there is no interval"
    if is_of_one_past:
        return f"seeds {told}: intervals are 95 % over the customers of this past and the luck of training (t)"
    return f"seeds {told}: intervals are 95 % over seeds (t; recovery: bootstrap)"


def searched_on(asked: SearchIdentity, scenarios: Sequence[Scenario]) -> str:
    """Return in words where the customers of a search come from: as was asked, or as its scenarios say."""
    return source(asked.population or ", ".join(dict.fromkeys(each.population for each in scenarios)))


def source(population: str) -> str:
    """Return in words where the customers of a population come from."""
    return _SOURCES.get(population, f"the population {population}")


def onset_words(scenario: Scenario) -> str:
    """Return when drift begins."""
    onset = scenario.onset_step
    return "no drift" if onset is None else f"drift begins in {step_word(scenario.time)} {onset}"


def step_word(time: Time) -> str:
    """Return what a step of a scenario is called: a month, a week, a day or a step.

    >>> step_word(Time(step_days=30)), step_word(Time(step_days=7))
    ('month', 'week')
    """
    return {30: "month", 7: "week", 1: "day"}.get(time.step_days, "step")


def _joined(facts: Sequence[str], note: str) -> str:
    told = "; ".join(facts)
    return f"{told}. {note}".strip() if note else f"{told}."
