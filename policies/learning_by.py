"""Any policy, with a training profile for its retrainings."""

from dataclasses import dataclass, replace

from policies.decision import Action, Decision, Policy, trainings_named, wanted
from policies.signals import Signals


@dataclass(slots=True)
class LearningBy:
    """Decides as another policy does, and has its retrainings learn by a training profile.

    A decision that names a profile itself keeps it, so `training` is what the rest of them learn by.

    >>> from policies.always import Always
    >>> LearningBy(Always(), "newest").decide(Signals(step=0, day=0, job_open=False)).training
    'newest'
    """

    policy: Policy
    training: str

    @property
    def wants(self) -> frozenset[str]:
        """The signals on request that the policy wants."""
        return wanted(self.policy)

    @property
    def trainings(self) -> frozenset[str]:
        """The training profiles that its decisions may name."""
        return trainings_named(self.policy) | {self.training}

    def decide(self, signals: Signals) -> Decision:
        """Answer as the policy does; a retraining that names no profile learns by this one."""
        decision = self.policy.decide(signals)
        if decision.action is Action.RETRAIN and not decision.training:
            return replace(decision, training=self.training)
        return decision

    def deployed(self, version: str) -> None:
        """Tell the policy."""
        self.policy.deployed(version)
