"""The loop: one life of a deployed model, step after step."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from policies.decision import Cause, Policy, wanted
from scenarios.schema import Recipe
from sim.mlops.loop.lifecycle import act, allowed, end_due
from sim.mlops.loop.platform import LocalPlatform, Platform, State
from sim.mlops.models.cohort import LabelledRows
from sim.mlops.records.jobs import FIRST_JOB, Alias, Job, Status, deployed
from sim.mlops.records.record import StepRow


def begin(platform: LocalPlatform, choose_recipe: Callable[[LabelledRows], Recipe]) -> State:
    """Live through the warm-up and return the state before step 0.

    The first champion is trained on the non-holdout rows of the warm-up with the recipe chosen for them, and promoted
    without having to pass; its gates are recorded.
    """
    platform.journal.begin()
    for step in platform.world.warmup:
        batch = platform.world.batch(step)
        platform.log.append(batch, None)
        nobody = np.zeros(len(batch.customer_id), dtype=np.bool_)
        platform.label_queue.send(platform.world.labels(step, nobody))
    platform.log.backfill(platform.label_queue.deliver(0), 0)
    recipe = choose_recipe(platform.trainer.first_data().rows)
    trained = platform.trainer.train_first(recipe)
    asked = Job(FIRST_JOB, 0, 0, Cause.NONE, "the first model", trained.window)
    job = platform.register(asked, trained.model, recipe)
    job = replace(job, meeting=platform.validate(0, job, None), status=Status.PROMOTED)
    job = replace(job, ended_step=0, ended_day=0)
    platform.registry.move(Alias.CHAMPION, job.version)
    platform.registry.describe(job)
    state = State(first=job, champion=deployed(job))
    platform.journal.commit(state, None)
    return state


def play(platform: Platform, policy: Policy, state: State) -> Iterator[StepRow]:
    """Live through the steps that `state` has not seen yet and yield what happened in each, once it is committed.

    The order inside a step never changes, and nothing else moves time.
    """
    wants = wanted(policy)
    for step in platform.world.steps[state.next_step :]:
        day = platform.world.day(step)
        platform.journal.begin()
        # 1. Jobs due by today end; a rollback takes effect.
        ended, changes = end_due(platform, state, step)
        if changes:
            policy.deployed(state.champion.job)
        # 2. The champion scores today's batch. 3. Offers go out.
        served = platform.serve(step, state.champion)
        # 4. The world settles the outcomes; each label gets its date.
        tally = platform.settle(served)
        # 5. Labels due today arrive.
        arrived = platform.receive(day)
        # 6. Signals are computed from what is visible today.
        seen = platform.observe(step, state.champion, job_open=state.job is not None, wants=wants)
        # 7. The policy decides.
        decision = allowed(policy.decide(seen.signals), state)
        # 8. On `retrain` a job opens on the labels visible today.
        opened = act(platform, state, step, decision)
        row = StepRow(
            step=step,
            day=day,
            champion=served.job,
            version=served.version,
            tally=tally,
            labels_arrived=arrived,
            signals=seen.signals.without_rows(),
            drift=seen.drift,
            decision=decision,
            job_ended=ended,
            job_opened=opened,
            alias_changes=changes,
        )
        state.next_step = step + 1
        platform.journal.commit(state, row)
        yield row
