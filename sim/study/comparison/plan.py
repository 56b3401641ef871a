"""Planning a comparison: from the words of its user to a study and the conditions on its outcome."""

from collections.abc import Callable
from dataclasses import dataclass

from scenarios.files import load_scenario
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.profiles import load_training
from sim.study.comparison.compare import Study
from sim.study.comparison.conditions import FailCondition, parse_condition
from sim.study.comparison.contestants import contestants
from sim.study.comparison.grid import parse_grid
from sim.world.population_spec import PopulationSpec

OF_ONE_HISTORY = (
    "intervals over the lives of a history speak of its holdout, of the luck of training and of its customers, who "
    "are drawn again for each seed, but not of another past; more seeds do not make them narrower"
)
"""What the intervals of a comparison on one history speak of."""
OF_ITS_LUCK = (
    "the seeds of a surface on a history differ by its holdout and by the luck of training only: what is told over "
    "them speaks of that, and neither of other customers nor of another past"
)
"""What is not spoken of by what a surface on one history tells."""

NEVER = "never"
"""The baseline where none is named."""


@dataclass(frozen=True, kw_only=True)
class StudyRequest:
    """A comparison in the words of its user: names, files, expressions and grids, none of them read yet.

    The `baseline` is one of the policies; `never` need not be named among them, and is played too.
    """

    scenarios: tuple[str, ...]
    policies: tuple[str, ...]
    gates: tuple[str, ...]
    seeds: tuple[int, ...]
    population: PopulationSpec
    baseline: str = NEVER
    grid: tuple[str, ...] = ()
    fail_if: tuple[str, ...] = ()
    trials: int = 0
    with_split: bool = False
    trainings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedStudy:
    """What is to be played, and the conditions on what comes of it."""

    study: Study
    conditions: tuple[FailCondition, ...]


def plan_study(request: StudyRequest, tell: Callable[[str], None]) -> PlannedStudy:
    """Read what a request names and return its study; `tell` hears once how well a table of one's own is described.

    Raises
    ------
    InputError
        If something that is named can't be read, or can't be played together.
    """
    asked = tuple(load_scenario(name) for name in request.scenarios)
    trainings = tuple(load_training(name) for name in request.trainings)
    unnamed = (NEVER,) if request.baseline == NEVER else ()
    chosen = contestants((*request.policies, *unnamed), parse_grid(request.grid), trainings)
    names = [each.name for each in chosen if not each.is_ablation]
    conditions = tuple(parse_condition(text, names) for text in request.fail_if)
    profiles = tuple(load_profile(name) for name in request.gates)
    played = as_played(asked, request.population, tell)
    study = Study(
        played,
        chosen,
        profiles,
        request.seeds,
        request.baseline,
        request.population,
        request.trials,
        request.with_split,
        trainings,
    )
    return PlannedStudy(study, conditions)


def learning_by(scenario: Scenario, training: str) -> Scenario:
    """Return a scenario whose retrainings learn by a training profile; as it is where none is named.

    Raises
    ------
    InputError
        If there is no such profile.
    """
    if not training:
        return scenario
    load_training(training)
    return scenario.model_copy(update={"training": scenario.training.model_copy(update={"profile": training})})


def as_played(
    asked: tuple[Scenario, ...], population: PopulationSpec, tell: Callable[[str], None], past: str = OF_ONE_HISTORY
) -> tuple[Scenario, ...]:
    """Return the scenarios as they can be played with a table of one's own, and say once how well it fits.

    Of a history it is said as well what intervals over its lives speak of: `past`.
    """
    if not population.target and population.log is None:
        return asked
    sentences: dict[str, None] = {}
    played = tuple(population.load(scenario, sentences.setdefault)[1] for scenario in asked)
    for sentence in sentences:
        tell(sentence)
    if asked and population.is_history:
        tell(past)
    return played
