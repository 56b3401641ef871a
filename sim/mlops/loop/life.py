"""The loop: one life of a deployed model, step after step."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from policies.decision import Cause, Decision, Policy, wanted
from scenarios.schema import Recipe
from sim.mlops.loop.lifecycle import act, allowed, end_due
from sim.mlops.loop.monitor import Observation
from sim.mlops.loop.on_request import Wants
from sim.mlops.loop.platform import LocalPlatform, Platform, State
from sim.mlops.loop.trainer import Trained
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.models.model import Model
from sim.mlops.records.jobs import FIRST_JOB, Alias, AliasChange, Job, Status, deployed
from sim.mlops.records.record import Served, StepRow, Tally


def begin(platform: LocalPlatform, choose_recipe: Callable[[LabelledRows], Recipe]) -> State:
    """Live through the warm-up and return the state before step 0.

    The first champion is trained on the non-holdout rows of the warm-up with the recipe chosen for them, and promoted
    without having to pass; its gates are recorded.
    """
    platform.journal.begin()
    _warm_up(platform)
    recipe = choose_recipe(platform.trainer.first_data().rows)
    return _begun(platform, platform.trainer.train_first(recipe), recipe, "the first model")


def _warm_up(platform: LocalPlatform) -> None:
    for step in platform.world.warmup:
        platform.log.append(platform.world.batch(step), None)  # no name for it here, which would keep it in memory
        nobody = np.zeros(len(platform.world.batch(step).customer_id), dtype=np.bool_)
        platform.label_queue.send(platform.world.labels(step, nobody))
    platform.world.forget()
    platform.log.backfill(platform.label_queue.deliver(0), 0)


def _begun(platform: LocalPlatform, trained: Trained, recipe: Recipe, reason: str) -> State:
    """Make a model the first champion and return the state before step 0."""
    asked = Job(FIRST_JOB, 0, 0, Cause.NONE, reason, trained.window)
    job = platform.register(asked, trained.model, recipe)
    job = replace(job, meeting=platform.validate(0, job, None), status=Status.PROMOTED)
    job = replace(job, ended_step=0, ended_day=0)
    platform.registry.move(Alias.CHAMPION, job.version)
    platform.registry.describe(job)
    state = State(first=job, champion=deployed(job))
    platform.journal.commit(state, None)
    return state


def begin_with(platform: LocalPlatform, model: Model, recipe: Recipe) -> State:
    """Live through the warm-up of a log and return the state before step 0, with the model that served in the log.

    Its reference is what a first champion's would be: the newest rows of the warm-up, without the holdout.
    """
    platform.journal.begin()
    _warm_up(platform)
    return _begun(platform, Trained(model, platform.trainer.first_data().window), recipe, "the model of the log")


class Morning(NamedTuple):
    """What has happened in a step before anybody decides: steps 1 to 5 of the loop."""

    step: int
    day: int
    ended: Job | None
    changes: tuple[AliasChange, ...]
    served: Served
    tally: Tally
    arrived: int


def play(platform: Platform, policy: Policy, state: State) -> Iterator[StepRow]:
    """Live through the steps that `state` has not seen yet and yield what happened in each, once it is committed.

    The order inside a step never changes, and nothing else moves time.
    """
    wants = wanted(policy)
    for step in platform.world.steps[state.next_step :]:
        platform.journal.begin()
        morning = wake(platform, state, step)
        if morning.changes:
            policy.deployed(state.champion.job)
        # 6. Signals are computed from what is visible today.
        seen = look(platform, state, morning, wants)
        # 7. The policy decides.
        decision = allowed(policy.decide(seen.signals), state)
        row = close(platform, state, morning, seen, decision)
        platform.journal.commit(state, row)
        yield row


def wake(platform: Platform, state: State, step: int) -> Morning:
    """Live through a step up to where signals can be measured."""
    day = platform.world.day(step)
    # 1. Jobs due by today end; a rollback takes effect.
    ended, changes = end_due(platform, state, step)
    # 2. The champion scores today's batch. 3. Offers go out.
    served = platform.serve(step, state.champion)
    # 4. The world settles the outcomes; each label gets its date.
    tally = platform.settle(served)
    # 5. Labels due today arrive.
    arrived = platform.receive(day)
    return Morning(step, day, ended, changes, served, tally, arrived)


def look(platform: Platform, state: State, morning: Morning, wants: Wants) -> Observation:
    """Measure what is visible in a step, and of the signals on request those that are wanted."""
    return platform.observe(morning.step, state.champion, job_open=state.job is not None, wants=wants)


def close(platform: Platform, state: State, morning: Morning, seen: Observation, decision: Decision) -> StepRow:
    """Do what was decided, and may be done, and return all that happened in the step."""
    # 8. On `retrain` a job opens on the labels visible today.
    opened = act(platform, state, morning.step, decision)
    state.next_step = morning.step + 1
    return StepRow(
        step=morning.step,
        day=morning.day,
        champion=morning.served.job,
        version=morning.served.version,
        tally=morning.tally,
        labels_arrived=morning.arrived,
        signals=seen.signals.without_rows(),
        drift=seen.drift,
        decision=decision,
        job_ended=morning.ended,
        job_opened=opened,
        alias_changes=morning.changes,
    )
