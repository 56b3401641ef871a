"""The choice: a setting tuned on some seeds, confirmed on seeds and scenarios that the search never saw."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from policies.spec import PolicySpec
from scenarios.schema import Scenario
from sim.errors import InputError
from sim.study.comparison.compare import Study, compare
from sim.study.comparison.contestants import Contestant
from sim.study.engines.engine import Engine
from sim.study.scores.table import Score
from sim.study.surface.answers import Figure, figure
from sim.study.surface.study import SurfaceStudy, survey
from sim.study.surface.tuned_file import TunedFigure, TunedFile, write_tuned
from sim.study.surface.tuning import Chosen, Goal, Limit, candidates, is_better, reference_value, tune
from sim.whole_file import write_whole

CHOSEN = "chosen"
CHOSEN_FILE = "chosen.toml"


@dataclass(frozen=True)
class TuneStudy:
    """What is tuned: one surface for each rule, by which goal, and where the choice is confirmed.

    `confirm_seeds` are none of the search; `hold_out` are scenarios that it never saw.
    """

    searches: tuple[SurfaceStudy, ...]
    goal: Goal
    weights: Mapping[str, float]
    limits: tuple[Limit, ...]
    confirm_seeds: tuple[int, ...]
    hold_out: tuple[Scenario, ...] = field(default=())

    def __post_init__(self) -> None:
        searched = {scenario.name for scenario in self.searches[0].scenarios}
        for scenario in self.hold_out:
            if scenario.name in searched:
                raise InputError(
                    f"a --hold-out scenario must be none of the search, got {scenario.name!r}; leave it out of one."
                )


@dataclass(frozen=True)
class Tuned:
    """What came of it: the rule and setting chosen, and what held on new seeds and scenarios.

    `confirmed` is the chosen setting less the reference, paired by seed, over the scenarios of the search by their
    weights; `by_scenario` the same for each scenario, those held out among them.
    """

    spec: PolicySpec
    rule: str
    chosen: Chosen
    confirmed: Figure
    by_scenario: Mapping[str, Figure]

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
    """Tune each rule on its surface, take the one with the largest cross-fitted value, and confirm it on new worlds.

    The folder holds a surface for each rule (`search-1`, ...), the comparison that confirms the choice, `tuned.json`,
    and `chosen.toml`, which is written only where the choice is shown to be better than the reference.

    Raises
    ------
    InputError
        If no rule has a setting within the limits, or as `survey` and `compare` say.
    """
    workforce = Engine(engine, address, workers)
    tuned: list[tuple[SurfaceStudy, Chosen]] = []
    done = 0
    for number, search in enumerate(study.searches, start=1):
        place, before = folder / f"search-{number}", done
        surface = survey(
            search,
            place,
            workers=workers,
            engine=engine,
            address=address,
            resume=resume and place.exists(),
            cache_folder=cache_folder,
            on_world=lambda worlds, before=before: on_world(before + worlds),  # type: ignore[misc] # bound now
        )
        done += len(search.tasks())
        found = candidates(surface, study.goal, study.weights, study.limits)
        tuned.append(
            (search, tune(surface, found, reference_value(surface, study.goal, study.weights), study.limits))
        )
    search, chosen = max(tuned, key=lambda each: each[1].cross_fitted.mean)
    spec = replace(search.template.fill(chosen.setting), name=CHOSEN)
    place = folder / "confirmation"
    cells = _confirmed(study, search, spec, place, workforce, resume and place.exists(), cache_folder)
    named = [scenario.name for scenario in search.scenarios]
    gains = {name: _gains(cells, name) for name in [*named, *(scenario.name for scenario in study.hold_out)]}
    shares = np.array([study.weights.get(name, 1.0) for name in named])
    pooled = np.tensordot(shares / shares.sum(), np.stack([gains[name] for name in named]), axes=1)
    result = Tuned(
        spec,
        search.template.text,
        chosen,
        figure(np.asarray(pooled)),
        {name: figure(each) for name, each in gains.items()},
    )
    write_tuned(_as_file(study, result, f"search-{study.searches.index(search) + 1}"), folder)
    if result.is_shown:
        write_whole(folder / CHOSEN_FILE, replace(spec, story=_story(result, search)).to_toml())
    return result


def _as_file(study: TuneStudy, result: Tuned, search: str) -> TunedFile:
    def told(each: Figure) -> TunedFigure:
        return TunedFigure(each.mean if math.isfinite(each.mean) else None, each.interval)

    chosen = result.chosen
    return TunedFile(
        search=search,
        rule=result.rule,
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
    )


def _confirmed(
    study: TuneStudy,
    search: SurfaceStudy,
    spec: PolicySpec,
    place: Path,
    workforce: Engine,
    resume: bool,
    cache_folder: Path | None,
) -> pd.DataFrame:
    reference = search.reference
    fresh = Study(
        scenarios=(*search.scenarios, *study.hold_out),
        contestants=(Contestant(CHOSEN, spec), Contestant(reference.name, reference)),
        profiles=(search.profile,),
        seeds=study.confirm_seeds,
        baseline=reference.name,
        population=search.population,
        trials=search.trials,
    )
    result = compare(
        fresh,
        place,
        workers=workforce.workers,
        engine=workforce.name,
        address=workforce.address,
        resume=resume,
        cache_folder=cache_folder,
    )
    for failure in result.failures.to_dict("records"):
        raise InputError(
            f"the choice can't be confirmed: {failure['scenario']} seed {failure['seed']} {failure['error']}"
        )
    return result.cells


def _gains(cells: pd.DataFrame, scenario: str) -> Any:
    """Return what the choice earns more than the reference in a scenario, by seed."""
    rows = cells[cells["scenario"] == scenario].pivot_table(index="seed", columns="policy", values=Score.NET_VALUE)
    (other,) = [name for name in rows.columns if name != CHOSEN]
    return (rows[CHOSEN] - rows[other]).to_numpy(dtype=np.float64)


def _story(result: Tuned, search: SurfaceStudy) -> str:
    gain = result.confirmed
    told = f"{gain.mean:,.0f}"
    if gain.interval is not None:
        told += f" ({gain.interval.low:,.0f} to {gain.interval.high:,.0f}, 95 %)"
    names = ", ".join(scenario.name for scenario in search.scenarios)
    return (
        f"Tuned from {result.rule!r} on {len(search.seeds)} seeds of {names}, under the gates {search.profile.name}. "
        f"On seeds that the search never saw it earns {told} more than {search.reference.name}; the search promised "
        f"{result.chosen.optimism:,.0f} more than held out."
    )
