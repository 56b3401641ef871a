"""The conformance suite: every policy of the catalogue keeps the contract, and each broken one is told why."""

import random
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from policies.catalogue import catalogue
from policies.conformance import check_policy
from policies.decision import Action, Cause, Decision
from policies.signals import Signals
from sim.errors import InputError

KEEP = Decision(Action.KEEP, "quiet")
ASK = Decision(Action.RETRAIN, "it is time", Cause.ALARM)


@pytest.mark.parametrize("name", catalogue())
def test_the_catalogue_conforms(name):
    check_policy(catalogue()[name].build, name)


class Quiet:
    """A policy that conforms; the broken ones differ from it in one thing each."""

    def decide(self, signals):
        return KEEP

    def deployed(self, version):
        pass


class Deaf:
    def decide(self, signals):
        return KEEP


class Wordless(Quiet):
    def decide(self, signals):
        return "keep"


class Groundless(Quiet):
    def decide(self, signals):
        return Decision(Action.RETRAIN, "", Cause.ALARM)


class Causeless(Quiet):
    def decide(self, signals):
        return Decision(Action.RETRAIN, "it is time")


class Moody(Quiet):
    def decide(self, signals):
        return Decision(Action.KEEP, "not in the mood")


class Jumpy(Quiet):
    """Takes a missing PSI for a large one."""

    def decide(self, signals):
        return ASK if signals.psi_max is None else KEEP


class Fragile(Quiet):
    def decide(self, signals):
        return ASK if signals.psi_max > 0.5 else KEEP


class Random(Quiet):
    def decide(self, signals):
        return ASK if random.random() < 0.5 and signals.psi_max else KEEP


class Prophet(Quiet):
    """Remembers on the class what an earlier life saw, and looks up tomorrow."""

    seen: ClassVar[dict[int, float | None]] = {}

    def decide(self, signals):
        self.seen[signals.step] = signals.psi_max
        tomorrow = self.seen.get(signals.step + 1)
        return ASK if tomorrow is not None and tomorrow > 0.2 else KEEP


class Gossip(Quiet):
    """Acts on what the last of its kind saw, and forgets when a life begins."""

    last: ClassVar[list[float | None]] = [None]

    def decide(self, signals):
        if signals.step == 0:
            self.last[0] = None
        answer = ASK if self.last[0] is not None and signals.psi_max and self.last[0] > signals.psi_max else KEEP
        self.last[0] = signals.psi_max
        return answer


class Rooted(Quiet):
    """Holds something that no pickle can carry."""

    def __init__(self):
        self.look = lambda signals: KEEP

    def decide(self, signals):
        return self.look(signals)


class Forgetful(Quiet):
    """Loses its count in a pickle."""

    def __init__(self):
        self.steps = 0

    def decide(self, signals):
        self.steps += 1
        return ASK if self.steps % 3 == 0 and signals.psi_max else KEEP

    def __reduce__(self):
        return Forgetful, ()


class Meddler(Quiet):
    def decide(self, signals):
        signals.psi.clear()
        return KEEP


ONLY = Quiet()


@pytest.mark.parametrize(
    ("factory", "told"),
    [
        (Deaf, "must have the methods decide and deployed, but it lacks deployed"),
        (lambda: ONLY, "must be built anew for each life"),
        (Wordless, "must answer with a Decision, but it gave 'keep' on day 0"),
        (Groundless, "must give a reason and a cause for every action"),
        (Causeless, "must give a reason and a cause for every action"),
        (Moody, "must keep for one of quiet, missing, .* but it gave 'not in the mood'"),
        (Jumpy, "must not raise an alarm while every signal is missing"),
        (Fragile, "must answer every day, whatever is missing, but it raised TypeError"),
        (Random, "must be blind to the future|must decide the same on the same signals"),
        (Prophet, "must be blind to the future"),
        (Gossip, "must decide by its own signals alone"),
        (Rooted, "must be picklable at any moment"),
        (Forgetful, "must go on from a pickle"),
        (Meddler, "must leave the signals alone"),
    ],
)
def test_a_broken_policy_is_told_why(factory, told):
    with pytest.raises(InputError, match=told):
        check_policy(factory, "it")


def test_a_sound_policy_passes():
    check_policy(Quiet)


def test_a_policy_of_a_function_cannot_travel():
    @dataclass
    class Stranger:
        """Cannot be pickled by name, being local."""

        steps: int = field(default=0)

        def decide(self, signals: Signals) -> Decision:
            return KEEP

        def deployed(self, version: str) -> None:
            pass

    with pytest.raises(InputError, match="picklable"):
        check_policy(Stranger)
