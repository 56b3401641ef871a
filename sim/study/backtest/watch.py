"""Watching: a policy that looks on and says what it would do, while nothing is done."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from policies.decision import Action, Cause, Decision, Policy, wanted
from policies.signals import Signals

_OF_FEATURES = frozenset(
    {
        "psi_max",
        "ks_p_min",
        "null_rate",
        "unseen_rate",
        "null_rate_rise",
        "two_sample_auc",
        "two_sample_p",
        "psi_p",
        "drift_p",
        "f1_estimated_weighted",
        "f1_estimated_weighted_drop",
    }
)
"""The signals that need features."""


def without_features(signals: Signals) -> Signals:
    """Return the signals with those missing that need features, which a log of scores doesn't have."""
    hidden: dict[str, Any] = dict.fromkeys(_OF_FEATURES)
    return replace(signals, psi={}, **hidden)


@dataclass
class Watching:
    """Asks a policy at every step what it would do, notes it, and does nothing.

    Parameters
    ----------
    policy
        Who is asked.
    has_features
        Whether the signals of features are real; the policy sees them as missing otherwise.
    """

    policy: Policy
    has_features: bool = True
    decisions: list[Decision] = field(default_factory=list)
    seen: list[Signals] = field(default_factory=list)

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that the policy wants."""
        return wanted(self.policy)

    def decide(self, signals: Signals) -> Decision:
        """Note what the policy would do, and keep the champion."""
        shown = signals if self.has_features else without_features(signals)
        self.seen.append(shown)
        self.decisions.append(self.policy.decide(shown))
        return Decision(Action.KEEP, "quiet")

    def deployed(self, version: str) -> None:
        """Let the policy hear who is champion."""
        self.policy.deployed(version)


def asked_steps(decisions: Sequence[Decision], *, alarms_only: bool = True) -> tuple[int, ...]:
    """Return the places of the decisions that ask for an action; by default those of a monitoring clause."""
    return tuple(
        place
        for place, decision in enumerate(decisions)
        if decision.action is not Action.KEEP and (decision.cause is Cause.ALARM or not alarms_only)
    )
