"""Regret: what a policy left on the table, and why."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from policies.decision import Action
from scenarios.schema import Jobs, Labels, Prices
from sim.mlops.gates.profiles import GateProfile, load_profile
from sim.mlops.models.profiles import TrainingProfile
from sim.mlops.records.record import Record
from sim.study.replay.replay import Replay
from sim.study.scores.oracle import Planner, plan
from sim.world.world import World


@dataclass(frozen=True, slots=True)
class Needless:
    """Retrainings whose removal raises the net value, and by how much in all."""

    retrains: int
    cost: float


@dataclass(frozen=True, slots=True)
class ConstraintPrices:
    """What the oracle itself would gain if a constraint were lifted, in this order, each on top of those before.

    No policy can earn these: they are the price of the gates, of approval and training time and of late labels, where
    the regret of a policy is the price of its own decisions. The price of the gates is never negative, since without
    gates the oracle may still ask for the jobs that would have passed and no other. The others may be: without a
    delay the same request gives a model of other rows, or one that serves sooner than wanted and can't be held back.
    """

    price_of_gates: float
    price_of_approval_time: float
    price_of_training_time: float
    price_of_label_delay: float


def beyond_oracle(record: Record, trainings: Collection[str] = ()) -> str:
    """Return why a record can't be held against the oracle, empty if it can.

    The oracle knows no other actions than retraining and rollback, and no other training profiles than those it was
    given; any, if none are named.
    """
    actions = {row.decision.action for row in record.steps}
    names = [str(action) for action in (Action.RECALIBRATE, Action.QUARANTINE) if action in actions]
    learnt = {name for name in learnt_from(record).values() if trainings and name not in trainings}
    names += [f"the training profile {name}" for name in sorted(learnt)]
    return f"{' and '.join(names)} in play" if names else ""


def learnt_from(record: Record) -> dict[int, str]:
    """Return the training profile of each retraining by the step at which it was asked for."""
    return {job.requested_step: job.training or record.training for job in record.retrainings}


def needless(planner: Planner, record: Record) -> Needless:
    """Return the retrainings of a record that it would have been better off without.

    One at a time the retraining is removed whose removal gains most, until none gains anything; each removal is
    followed through the same world, with all that it changes.
    """
    actions: Mapping[int, Action] = {
        row.step: row.decision.action for row in record.steps if row.decision.action != Action.KEEP
    }
    learnt = learnt_from(record)
    start = value = planner.value(actions, learnt)
    removed = 0
    while asked := [step for step, action in actions.items() if action is Action.RETRAIN]:
        gains = {step: planner.value(_without(actions, step), learnt) for step in asked}
        best = max(gains, key=lambda step: gains[step])
        if gains[best] <= value:
            break
        value, actions, removed = gains[best], _without(actions, best), removed + 1
    return Needless(removed, value - start)


def constraint_prices(
    replay: Replay, profile: GateProfile, prices: Prices, trainings: Sequence[TrainingProfile] = ()
) -> ConstraintPrices | None:
    """Return what each constraint costs the oracle; missing where there is no oracle.

    Lifting a delay makes another world of the same customers and outcomes, whose models are trained anew.
    """
    key = ("constraint_prices", profile, prices.model_dump_json(), tuple(trainings))
    return replay.memory.computed_once(key, lambda: _constraint_prices(replay, profile, prices, trainings))


def _constraint_prices(
    replay: Replay, profile: GateProfile, prices: Prices, trainings: Sequence[TrainingProfile]
) -> ConstraintPrices | None:
    free = load_profile("none")
    jobs = replay.world.scenario.jobs
    no_approval = _lifted(replay, jobs=Jobs(train_days=jobs.train_days, approval_days=0))
    no_training = _lifted(no_approval, jobs=Jobs())
    no_delay = _lifted(no_training, labels=at_once(replay.world.scenario.labels))
    values = [
        plan(replay, profile, prices, trainings).net_value,
        *(plan(world, free, prices, trainings).net_value for world in (replay, no_approval, no_training, no_delay)),
    ]
    known = [value for value in values if value is not None]
    if len(known) < len(values):
        return None
    return ConstraintPrices(*(after - before for before, after in pairwise(known)))


def at_once(labels: Labels) -> Labels:
    """Return labels that come on the day of scoring; those that are lost, wrong at first or naive stay so.

    >>> found = at_once(Labels(delay="long_tailed", never_share=0.2, cohorts="naive"))
    >>> found.delay, found.delay_days, found.horizon_days, found.never_share, found.cohorts
    ('fixed', 0, 0, 0.2, 'naive')
    """
    return Labels.model_validate({**labels.model_dump(), "delay": "fixed", "delay_days": 0, "horizon_days": 0})


def _without(actions: Mapping[int, Action], step: int) -> Mapping[int, Action]:
    return {other: action for other, action in actions.items() if other != step}


def _lifted(replay: Replay, **change: Jobs | Labels) -> Replay:
    """Return the replay of the same life with a part of its scenario changed; the same one if nothing changes."""
    scenario = replay.world.scenario.model_copy(update=change)
    if scenario == replay.world.scenario:
        return replay
    scenario = scenario.model_copy(update={"recipe": replay.beginning.recipe})
    return Replay(World(scenario, replay.world.seed, replay.world.population, kept_steps=None))
