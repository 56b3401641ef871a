"""Resuming a life: bringing policy, mail and registry to where its last committed step left them."""

from collections.abc import Sequence
from dataclasses import dataclass

from policies.decision import Policy
from sim.errors import InputError
from sim.mlops.loop.platform import LocalPlatform, State
from sim.mlops.records.jobs import Alias
from sim.mlops.records.record import StepRow
from sim.mlops.records.registry import Registry


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A life as it was last committed: where it stands, and every step so far."""

    state: State
    rows: tuple[StepRow, ...]


def catch_up(platform: LocalPlatform, policy: Policy, rows: Sequence[StepRow]) -> None:
    """Bring policy and mail to where the last committed step left them.

    A policy hears the same signals again, and must decide the same; the labels of past steps are sent again, and
    those that had arrived are dropped.

    Raises
    ------
    InputError
        If the policy decides otherwise than it did.
    """
    world = platform.world
    for row in rows:
        if row.alias_changes:
            policy.deployed(row.champion)
        decision = policy.decide(platform.journal.with_rows(row.signals))
        if (decision.clauses, decision.evidence) != (row.decision.clauses, row.decision.evidence):
            msg = (
                f"a resumed policy must decide the same on the same signals, but did not at step {row.step}; draw "
                f"from a generator with a seed of its own, or start again with another --out."
            )
            raise InputError(msg)
        platform.label_queue.send(world.labels(row.step, platform.log.offered(row.step)))
    platform.label_queue.deliver(rows[-1].day if rows else 0)


def restore_aliases(registry: Registry, checkpoint: Checkpoint) -> None:
    """Let the aliases point where the last committed step left them, wherever a broken step or others moved them.

    A version that somebody deleted is missed only if the life still needs it: the champion, the model of an open job,
    the previous champion while it may come back.
    """
    state = checkpoint.state
    jobs = [job for row in checkpoint.rows for job in (row.job_ended, row.job_opened) if job is not None]
    open_job = [state.job] if state.job is not None else []
    newest = max((job.version for job in [*jobs, *open_job]), default=0)  # 0: of a tournament that is undecided
    is_needed = state.job is not None and state.job.version > 0
    _restore(registry, Alias.CHALLENGER, max(newest, state.first.version), is_needed=is_needed)
    if state.previous is not None:
        is_needed = state.may_roll_back or state.is_rollback_due
        _restore(registry, Alias.PREVIOUS_CHAMPION, state.previous.version, is_needed=is_needed)
    registry.move(Alias.CHAMPION, state.champion.version)


def _restore(registry: Registry, alias: Alias, version: int, *, is_needed: bool) -> None:
    if is_needed or registry.holds(version):
        registry.move(alias, version)
