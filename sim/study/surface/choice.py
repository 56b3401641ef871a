"""The choice: a setting tuned on some seeds, confirmed on seeds and scenarios that the search never saw."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from policies.spec import PolicySpec
from policies.user_class import is_user_class
from scenarios.files import to_toml
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.study.claim import Claim
from sim.study.engines.engine import Engine
from sim.study.surface.answers import Figure, figure
from sim.study.surface.confirmation import CHOSEN, NewWorlds, Rivals, confirm
from sim.study.surface.goal import Goal, Limit, Searched, shares_of
from sim.study.surface.optuna_search import Aims, Workplace, try_settings
from sim.study.surface.study import SurfaceStudy, population_of, survey
from sim.study.surface.surface import SURFACE_FILE
from sim.study.surface.tried import TriedStudy
from sim.study.surface.tuned_file import (
    TUNING_FILE,
    TUNING_KIND,
    Combination,
    TunedFigure,
    TunedFile,
    TuningIdentity,
    write_tuned,
)
from sim.study.surface.tuning import (
    Chosen,
    candidates,
    check_seeds,
    fitted_alone,
    is_better,
    reference_value,
    tune,
)
from sim.whole_file import write_whole

CHOSEN_FILE = "chosen.toml"

Search = SurfaceStudy | TriedStudy
"""What is chosen among: all settings of a rule, or those of any policy that Optuna tries."""


@dataclass(frozen=True)
class TuneStudy:
    """What is tuned: one search for each policy, training profile and gates, by which goal, and how it is confirmed.

    The searches are over the same worlds; the reference learns and meets gates as in the first of them.
    `confirm_seeds` are none of the search; `hold_out` are scenarios that it never saw.
    """

    searches: tuple[Search, ...]
    goal: Goal
    weights: Mapping[str, float]
    limits: tuple[Limit, ...]
    confirm_seeds: tuple[int, ...]
    hold_out: tuple[Scenario, ...] = field(default=())

    def __post_init__(self) -> None:
        check_seeds(len(self.searches[0].seeds))
        searched = {scenario.name for scenario in self.searches[0].scenarios}
        for scenario in self.hold_out:
            if scenario.name in searched:
                raise InputError(
                    f"a --hold-out scenario must be none of the search, got {scenario.name!r}; leave it out of one."
                )
        names = [_combination(search) for search in self.searches]
        for name in names:
            if names.count(name) > 1:
                told = ", ".join(filter(None, name))
                raise InputError(
                    f"each rule, training profile and gates must be named once together, got {told} twice; leave one "
                    f"out."
                )

    def identity(self) -> TuningIdentity:
        """Return what must be the same for surfaces and a confirmation to belong to this tuning."""
        return TuningIdentity(
            searches=tuple(search.identity() for search in self.searches),
            goal=self.goal.value,
            weights=dict(self.weights),
            limits=tuple(limit.text for limit in self.limits),
            confirm_seeds=self.confirm_seeds,
            hold_out=tuple(to_toml(scenario) for scenario in self.hold_out),
        )


def _combination(search: Search) -> tuple[str, str, str]:
    return search.template.text, search.training, search.profile.name


@dataclass(frozen=True)
class Tuned:
    """What came of it: the search and setting chosen, and what held on new seeds and scenarios.

    `confirmed` is the chosen setting less the reference, paired by seed, over the scenarios of the search by their
    weights; `by_scenario` the same for each scenario, those held out among them. `alone` is for each search what
    choosing among its settings alone earns, cross-fitted, `None` where none is within the limits.
    """

    spec: PolicySpec
    search: Search
    chosen: Chosen
    confirmed: Figure
    by_scenario: Mapping[str, Figure]
    alone: tuple[Figure | None, ...]

    @property
    def rule(self) -> str:
        """The rule that was chosen, with its placeholders."""
        return self.search.template.text

    @property
    def policy(self) -> str:
        """What `--policy` takes for the choice: the file that was left for it, or a class of one's own as text."""
        if isinstance(self.search, TriedStudy) and is_user_class(self.spec.kind):
            return self.search.template.filled_text(self.chosen.setting)
        return CHOSEN_FILE

    @property
    def is_shown(self) -> bool:
        """Whether the choice is shown to be better than the reference on seeds that the search never saw."""
        return is_better(self.confirmed)


def choose(
    study: TuneStudy,
    folder: Path,
    *,
    workers: int = 1,
    resume: bool = False,
    cache_folder: Path | None = None,
    on_world: Callable[[int], None] = lambda _: None,
    engine: str = "processes",
    address: str = "",
) -> Tuned:
    """Choose among all settings of all searches together, and confirm the choice on new worlds.

    The folder holds the searches (`search-1`, ...), the comparison that confirms the choice, `tuned.json`, and
    `chosen.toml`, which is written only where the choice is shown to be better than the reference, and is no class of
    one's own, which no file of data may have run.

    Raises
    ------
    InputError
        If the folder holds something else, no setting is within the limits, or as `survey` and `compare` say.
    """
    workforce = Engine(engine, address, workers)
    claim = Claim("tuning", TUNING_FILE, TUNING_KIND, study.identity(), "search-1")
    claim.check(folder, resume=resume)
    for scenario in study.hold_out:
        population_of(study.searches[0], scenario)
    claim.take(folder)
    place, found, done = Workplace(folder, workforce, cache_folder), [], 0
    for number, search in enumerate(study.searches, start=1):
        own = replace(place, folder=folder / f"search-{number}")
        found.append(_searched(search, study, own, lambda worlds, done=done: on_world(done + worlds)))  # type: ignore[misc] # bound now
        done += search.n_worlds
    among = candidates(found, study.goal, study.weights, study.limits)
    chosen = tune(found, among, reference_value(found, study.goal, study.weights), study.limits)
    search = study.searches[chosen.search]
    filled = search.template.fill(chosen.setting)
    spec = replace(filled, name=CHOSEN, training=filled.training or search.training)
    worlds = NewWorlds((*search.scenarios, *study.hold_out), study.confirm_seeds)
    rivals = Rivals(spec, search, study.searches[0])
    gains = confirm(rivals, worlds, folder / "confirmation", workforce, cache_folder)
    named = [scenario.name for scenario in search.scenarios]
    pooled = np.tensordot(shares_of(named, study.weights), np.stack([gains[name] for name in named]), axes=1)
    by_scenario = {name: figure(each) for name, each in gains.items()}
    result = Tuned(spec, search, chosen, figure(np.asarray(pooled)), by_scenario, fitted_alone(found, among))
    write_tuned(_as_file(study, result), folder)
    if result.is_shown and result.policy == CHOSEN_FILE:
        write_whole(folder / CHOSEN_FILE, replace(spec, story=_story(study, result)).to_toml())
    return result


def _searched(search: Search, study: TuneStudy, place: Workplace, on_world: Callable[[int], None]) -> Searched:
    """Judge the settings of a search in every world, going on where that was killed."""
    if isinstance(search, TriedStudy):
        return try_settings(search, Aims(study.goal, study.weights, study.limits), place, on_world)
    return survey(
        search,
        place.folder,
        workers=place.workforce.workers,
        engine=place.workforce.name,
        address=place.workforce.address,
        resume=(place.folder / SURFACE_FILE).exists(),
        cache_folder=place.cache_folder,
        on_world=on_world,
    )


def _as_file(study: TuneStudy, result: Tuned) -> TunedFile:
    def told(each: Figure | None) -> TunedFigure:
        if each is None:
            return TunedFigure(None, None)
        return TunedFigure(each.mean if math.isfinite(each.mean) else None, each.interval)

    chosen = result.chosen
    each_alone = zip(study.searches, result.alone, strict=True)
    return TunedFile(
        search=f"search-{chosen.search + 1}",
        rule=result.rule,
        training=result.search.training,
        gates=result.search.profile.name,
        combinations=tuple(Combination(*_combination(search), told(alone)) for search, alone in each_alone),
        setting=dict(chosen.setting),
        reference=study.searches[0].reference.name,
        goal=study.goal.value,
        weights=dict(study.weights),
        limits=tuple(limit.text for limit in study.limits),
        confirm_seeds=len(study.confirm_seeds),
        hold_out=tuple(scenario.name for scenario in study.hold_out),
        promised=told(chosen.promised),
        cross_fitted=told(chosen.cross_fitted),
        optimism=chosen.optimism if math.isfinite(chosen.optimism) else None,
        confirmed=told(result.confirmed),
        by_scenario={name: told(each) for name, each in result.by_scenario.items()},
        is_shown=result.is_shown,
        tries=result.search.tries if isinstance(result.search, TriedStudy) else 0,
    )


def _story(study: TuneStudy, result: Tuned) -> str:
    gain, search, first = result.confirmed, result.search, study.searches[0]
    told = f"{gain.mean:,.0f}"
    if gain.interval is not None:
        told += f" ({gain.interval.low:,.0f} to {gain.interval.high:,.0f}, 95 %)"
    names = ", ".join(scenario.name for scenario in search.scenarios)
    other = "" if first.profile.name == search.profile.name else f" under the gates {first.profile.name}"
    return (
        f"Tuned from {result.rule!r} on {len(search.seeds)} seeds of {names}, to be used under the gates "
        f"{search.profile.name}. On seeds that the search never saw it earns {told} more than "
        f"{first.reference.name}{other}; the search promised {result.chosen.optimism:,.0f} more than held out."
    )
