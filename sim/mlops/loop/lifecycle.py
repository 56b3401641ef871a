"""The life of a job: asked for, made, registered, validated, promoted or rejected; rollback and quarantine."""

from dataclasses import replace

from policies.decision import Action, Decision
from scenarios.schema import Jobs
from sim.mlops.loop.platform import Platform, State
from sim.mlops.records.jobs import Alias, AliasChange, Deployed, Job, Status, deployed

_AT_ONCE = Jobs()  # a recalibration trains nothing, and takes effect at the next step


def allowed(decision: Decision, state: State) -> Decision:
    """Turn an action that can't be taken now into a `keep` that says why."""
    if decision.action in (Action.KEEP, Action.QUARANTINE):
        return decision
    if state.job is not None:
        return replace(decision, action=Action.KEEP, reason="job_open")
    if decision.action is Action.ROLLBACK and not state.may_roll_back:
        return replace(decision, action=Action.KEEP, reason="no_previous")
    return decision


def act(platform: Platform, state: State, step: int, decision: Decision) -> Job | None:
    """Do what was decided: open a job on the labels visible today, ask for a rollback, or set today's batch apart."""
    if decision.action is Action.ROLLBACK:
        state.is_rollback_due = True
    if decision.action is Action.QUARANTINE:
        platform.quarantine(step)
    if decision.action not in (Action.RETRAIN, Action.RECALIBRATE):
        return None
    name = f"{decision.action}-{step:03d}"
    training = decision.training if decision.action is Action.RETRAIN else ""
    asked = Job(
        name,
        step,
        platform.world.day(step),
        decision.cause,
        decision.reason,
        action=decision.action,
        training=training,
    )
    if decision.action is Action.RETRAIN:
        state.job = platform.train(asked, state.champion)
    else:
        trees_day, trees_steps = state.champion.requested_day, state.champion.reference_steps
        state.job = platform.recalibrate(replace(asked, trees_day=trees_day, trees_steps=trees_steps), state.champion)
    return state.job


def end_due(platform: Platform, state: State, step: int) -> tuple[Job | None, tuple[AliasChange, ...]]:
    """End what is due today, a rollback or the open job; return the ended job and the aliases that were moved."""
    if state.is_rollback_due and state.previous is not None:
        state.is_rollback_due, state.may_roll_back = False, False
        return None, _crown(platform, state, state.previous, step)
    job, day = state.job, platform.world.day(step)
    if job is None:
        return None, ()
    days = platform.world.scenario.jobs if job.action is Action.RETRAIN else _AT_ONCE
    if day < job.requested_day + days.train_days:
        return None, ()
    if job.meeting is None:
        job = _meet_gates(platform, state, job, step)
    if job.meeting is not None and not job.meeting.verdict.passed:
        return _end(platform, state, job, Status.REJECTED, step), ()
    if job.meeting is not None and day < job.meeting.day + days.approval_days:
        state.job = job
        return None, ()
    changes = _crown(platform, state, deployed(job), step)
    state.may_roll_back = True
    if job.meeting is not None and job.meeting.is_new_best:
        state.later_best = state.champion
    return _end(platform, state, job, Status.PROMOTED, step), changes


def _meet_gates(platform: Platform, state: State, job: Job, step: int) -> Job:
    """Have the challenger meet the gates against the champion of today.

    No champion can change while a job is open, since a rollback is refused then, so one meeting is enough. Of a
    tournament's challengers the best is chosen first, and it alone meets the gates.
    """
    if job.challengers:
        job = platform.choose(step, job)
    return replace(job, meeting=platform.validate(step, job, state.champion, state.best))


def _end(platform: Platform, state: State, job: Job, status: Status, step: int) -> Job:
    ended = replace(job, status=status, ended_step=step, ended_day=platform.world.day(step))
    platform.describe(ended)
    state.job = None
    return ended


def _crown(platform: Platform, state: State, model: Deployed, step: int) -> tuple[AliasChange, ...]:
    """Make a model champion: `Previous_Champion` is moved first, so that there is a champion at every moment."""
    state.previous, state.champion = state.champion, model
    moves = ((Alias.PREVIOUS_CHAMPION, state.previous), (Alias.CHAMPION, state.champion))
    for alias, target in moves:
        platform.move(alias, target)
    day = platform.world.day(step)
    return tuple(AliasChange(step, day, alias, target.job, target.version) for alias, target in moves)
