"""The conformance suite: every policy of the catalogue keeps the contract, and each broken one is told why."""

import random
from dataclasses import dataclass, field
from typing import ClassVar

import pytest

from policies.catalogue import catalogue
from policies.conformance import check_policy
from policies.decision import Action, Cause, Decision, Truth
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


class Mute(Quiet):
    def deployed(self):
        pass


class Listless(Quiet):
    wants = None


class Numeric(Quiet):
    wants: ClassVar[list[int]] = [1]


class Lonely(Quiet):
    wants = "scores"


class Greedy(Quiet):
    wants = ("scroes",)


class Shy(Quiet):
    @property
    def wants(self):
        raise ValueError("not today")


class Amnesiac(Quiet):
    """Comes out of a pickle without what it needs."""

    def __init__(self):
        self.level = 0.5

    def decide(self, signals):
        return KEEP if self.level else ASK

    def __reduce__(self):
        return Amnesiac.__new__, (Amnesiac,)


class Fickle(Quiet):
    """Names its clauses on some days only."""

    def decide(self, signals):
        return Decision(Action.KEEP, "quiet", clauses={"psi": Truth.FALSE} if signals.step % 2 else {})


class Thorough(Quiet):
    """Gives all that a decision may hold."""

    wants = frozenset({"scores"})

    def decide(self, signals):
        evidence = {"days": 30, "f1": 0.5, "psi": None}
        return Decision(Action.RETRAIN, "it is time", Cause.SCHEDULE, evidence, {"psi": Truth.MISSING})


def answering(**parts):
    """Return what builds a policy that always gives an answer with these parts."""

    class Answering(Quiet):
        def decide(self, signals):
            return Decision(**{"action": Action.RETRAIN, "reason": "it is time", "cause": Cause.SCHEDULE, **parts})

    return Answering


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
        (Mute, r"must hear by deployed\(version\) .* but it raised TypeError on day 0: .* takes 1 positional"),
        (Listless, "wants of a policy must be the names of signals .* but that of Listless is None"),
        (Numeric, r"wants of a policy must be the names of signals .* but that of Numeric is \[1\]"),
        (Lonely, r"but that of Lonely is 'scores': write \('scores',\)"),
        (Greedy, "may want .* but Greedy wants 'scroes'. Did you mean 'scores'"),
        (Shy, "must say what it wants, but Shy raised ValueError: not today"),
        (Amnesiac, "must go on from a pickle .* but it raised AttributeError on day 0"),
        (Fickle, "must give the same clauses every day, but it gave psi on day 30 after none"),
        (answering(action="retrain"), "must answer with an Action, but it gave 'retrain' on day 0: write Action"),
        (answering(reason=7), "must give its reason as text, but it gave 7 on day 0"),
        (answering(cause="calendar"), "must give a Cause .* but it gave 'calendar' on day 0: write Cause"),
        (answering(cause="alarm"), "must give a Cause .* but it gave 'alarm' on day 0"),
        (answering(evidence=None), "must give numbers or None by name as evidence, but it gave None on day 0"),
        (
            answering(evidence={"x": "abc"}),
            "as evidence, but it gave {'x': 'abc'} on day 0: leave text to the reason",
        ),
        (answering(evidence={1: 2.0}), "as evidence, but it gave {1: 2.0}"),
        (answering(clauses=None), "must give a Truth by name for each clause, but it gave None on day 0"),
        (answering(clauses={"psi": True}), "but it gave {'psi': True} on day 0: write Truth"),
    ],
)
def test_a_broken_policy_is_told_why(factory, told):
    with pytest.raises(InputError, match=told):
        check_policy(factory, "it")


def test_a_sound_policy_passes():
    check_policy(Quiet)
    check_policy(Thorough)


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
