"""Decisions: what a policy answers, and why."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from policies.signals import ON_REQUEST, Signals
from sim.errors import InputError, did_you_mean


class Action(StrEnum):
    """What can be done with a deployed model.

    `recalibrate` maps its scores anew and sets a new threshold, `rollback` brings its predecessor back, `quarantine`
    keeps today's batch out of training, gates, references and baselines for good.
    """

    KEEP = "keep"
    RETRAIN = "retrain"
    RECALIBRATE = "recalibrate"
    ROLLBACK = "rollback"
    QUARANTINE = "quarantine"


REQUESTS = (Action.RETRAIN, Action.RECALIBRATE)
"""The actions that open a job, which are what a chain holds back."""


class Cause(StrEnum):
    """Who asked for an action: a monitoring clause (`alarm`), the calendar (`schedule`), or nobody (`none`)."""

    NONE = "none"
    ALARM = "alarm"
    SCHEDULE = "schedule"


class Truth(StrEnum):
    """The value of a clause in three-valued logic."""

    TRUE = "true"
    FALSE = "false"
    MISSING = "missing"


KEEP_REASONS = ("quiet", "missing", "waiting", "disarmed", "cooldown", "budget", "job_open")
"""Why a policy may keep the champion; see `Decision`."""


@dataclass(frozen=True, slots=True)
class Decision:
    """An action with its reason and evidence.

    `reason` of a `keep` is one of `KEEP_REASONS`: `quiet` (nothing asked for an action), `missing` (a missing signal
    left the rule unknown), `waiting` (true, but in too few of the last steps yet), `disarmed`, `cooldown`, `budget`
    and `job_open` (asked for, but suppressed); the loop adds `no_previous` to a rollback that has nowhere to go. Any
    other action gives the clauses that asked for it. `evidence` holds the signal values that the policy looked at,
    `None` where missing; `clauses` the value of each clause of a rule, the same clauses every day.
    `training` names the training profile that a `retrain` is to learn from; left empty it is the run's own.
    """

    action: Action
    reason: str
    cause: Cause = Cause.NONE
    evidence: Mapping[str, float | None] = field(default_factory=dict)
    clauses: Mapping[str, Truth] = field(default_factory=dict)
    training: str = ""


class Policy(Protocol):
    """Decides from signals alone; its configuration is its constructor.

    A policy that looks at signals on request also has an attribute `wants` with their names, and one whose decisions
    name training profiles an attribute `trainings` with all that they may name.
    """

    def decide(self, signals: Signals) -> Decision:
        """Answer the signals of one day. Called once a step, in order of time."""
        ...

    def deployed(self, version: str) -> None:
        """Hear that the model `version` (the name of its job) has become champion."""
        ...


def trainings_named(policy: Policy) -> frozenset[str]:
    """Return the training profiles that a policy's decisions may name; none if it does not say.

    Raises
    ------
    InputError
        If what it says are no names.
    """
    kind = type(policy).__name__
    named = getattr(policy, "trainings", ())
    is_listed = not isinstance(named, str) and isinstance(named, Collection)
    if not is_listed or not all(isinstance(each, str) for each in named):
        raise InputError(
            f"The attribute trainings of a policy must be the names of training profiles, but that of {kind} is "
            f"{named!r}: write ('newest',) or leave it out."
        )
    return frozenset(named)


def wanted(policy: Policy) -> frozenset[str]:
    """Return the signals on request that a policy wants measured; none if it does not say.

    Raises
    ------
    InputError
        If it wants something that cannot be asked for.
    """
    kind = type(policy).__name__
    try:
        wants = getattr(policy, "wants", ())
    except Exception as error:
        raise InputError(
            f"A policy must say what it wants, but {kind} raised {type(error).__name__}: {error}."
        ) from error
    if (
        isinstance(wants, str)
        or not isinstance(wants, Collection)
        or not all(isinstance(each, str) for each in wants)
    ):
        example = wants if isinstance(wants, str) else "scores"
        raise InputError(
            f"The attribute wants of a policy must be the names of signals on request, but that of {kind} is "
            f"{wants!r}: write ({example!r},) or leave it out."
        )
    for name in sorted(set(wants) - ON_REQUEST):
        raise InputError(
            f"A policy may want {', '.join(sorted(ON_REQUEST))}, but {kind} wants {name!r}."
            f"{did_you_mean(name, ON_REQUEST)}"
        )
    return frozenset(wants)
