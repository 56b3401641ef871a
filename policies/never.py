"""Never retrain."""

from dataclasses import dataclass

from policies.decision import Action, Decision
from policies.signals import Signals


@dataclass(slots=True)
class Never:
    """Keep the first champion for good.

    A good choice where nothing drifts, and always as the yardstick: what a policy is worth is counted from here. A
    bad one as soon as the world moves for longer than a retraining takes.

    >>> Never().decide(Signals(step=0, day=0, job_open=False)).action
    <Action.KEEP: 'keep'>
    """

    def decide(self, signals: Signals) -> Decision:  # noqa: ARG002  looks at nothing
        """Answer `keep`."""
        return Decision(Action.KEEP, "quiet")

    def deployed(self, version: str) -> None:
        """Take no notice."""
