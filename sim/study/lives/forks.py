"""Forks: a crowd of settings lives one life until some of them act differently, and then each goes its own way."""

from collections.abc import Callable, Hashable, Sequence
from copy import copy
from dataclasses import dataclass, replace
from typing import Generic, Protocol, Self, TypeVar

from policies.decision import Action, Decision
from policies.signals import Signals
from sim.errors import InputError
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.loop.life import close, look, wake
from sim.mlops.loop.lifecycle import allowed
from sim.mlops.loop.on_request import Wants
from sim.mlops.loop.platform import State
from sim.mlops.models.profiles import TrainingProfile
from sim.mlops.records.jobs import FIRST_JOB
from sim.mlops.records.record import Record, StepRow
from sim.study.replay.replay import Replay, ReplayPlatform, check_replayable

MOST_LIVES = 5_000
"""Lives of one world that are followed unless another bound is given."""

See = Callable[[Wants], Signals]
"""Measures the signals of a day, with those on request that are wanted."""
Allow = Callable[[Decision], Decision]
"""Turns what can't be done now into a `keep`."""


class Crowd(Protocol):
    """Settings that have lived one life so far."""

    @property
    def trainings(self) -> frozenset[str]:
        """The training profiles that any of them may name."""
        ...

    def deployed(self, version: str) -> None:
        """Hear that a model has become champion."""
        ...

    def decide(self, see: See, allow: Allow) -> "Sequence[tuple[Decision, Self]]":
        """Answer the signals of a day: what is done, and by whom; no two parts do the same."""
        ...


C = TypeVar("C", bound=Crowd)


@dataclass(frozen=True, slots=True)
class Lived(Generic[C]):
    """A life, and who lived it.

    `record` is that of each of them, but for what a decision gives as its reason and evidence, which may be that of
    another, and for signals on request, which it leaves out.
    """

    record: Record
    crowd: C


def acts(decision: Decision) -> Hashable:
    """Return what of a decision changes a life or what is said of it; the words of its reason do not."""
    if decision.action is Action.KEEP:
        return Action.KEEP
    return decision.action, decision.cause, decision.training


@dataclass(slots=True)
class _Life(Generic[C]):
    """A life that is being lived."""

    platform: ReplayPlatform
    state: State
    rows: list[StepRow]
    crowd: C

    def fork(self, crowd: C) -> "_Life[C]":
        return _Life(self.platform.fork(), copy(self.state), [*self.rows], crowd)


def follow(
    replay: Replay,
    profile: GateProfile,
    crowd: C,
    training: TrainingProfile | None = None,
    most: int = MOST_LIVES,
) -> list[Lived[C]]:
    """Let a crowd live in a world and return every life that any of them leads, each once.

    What happens before two settings part is lived once; everything is as in single replays.

    Raises
    ------
    InputError
        If the profile enforces a wall clock, or the settings lead more than `most` lives.
    """
    check_replayable(profile)
    state, blank = replay.state(profile), _blank(replay, profile, training)
    crowd.deployed(FIRST_JOB)
    platform = ReplayPlatform(replay, profile, replay.trainings(training, crowd.trainings))
    ahead = [_Life(platform, state, [], crowd)]
    done: list[Lived[C]] = []
    while ahead:
        life = ahead.pop()
        while life.state.next_step < len(replay.world.steps):
            ahead += _live_step(life)
            if len(ahead) + len(done) >= most:
                raise InputError(
                    f"settings may lead at most {most:,} lives in one world, but these lead more; put a number in "
                    f"place of a placeholder, or search a smaller range."
                )
        done.append(Lived(replace(blank, steps=tuple(life.rows)), life.crowd))
    return done


def _live_step(life: _Life[C]) -> list[_Life[C]]:
    """Live one step and return the lives that part from this one in it, which have lived it too."""
    morning = wake(life.platform, life.state, life.state.next_step)
    if morning.changes:
        life.crowd.deployed(life.state.champion.job)
    seen = look(life.platform, life.state, morning, frozenset())
    measured = {frozenset[str](): seen.signals}

    def see(wants: Wants) -> Signals:
        if wants not in measured:
            measured[wants] = look(life.platform, life.state, morning, wants).signals
        return measured[wants]

    parts = life.crowd.decide(see, lambda decision: allowed(decision, life.state))
    others = [(decision, life.fork(crowd)) for decision, crowd in parts[1:]]
    life.crowd = parts[0][1]
    for decision, each in [(parts[0][0], life), *others]:
        each.rows.append(close(each.platform, each.state, morning, seen, decision))
    return [each for _, each in others]


def _blank(replay: Replay, profile: GateProfile, training: TrainingProfile | None) -> Record:
    """Return a record of a life of which nothing has been lived."""
    world = replay.world
    return Record(
        scenario=world.scenario,
        population=world.population.name,
        seed=world.seed,
        policy="",
        policy_toml="",
        gates=profile.name,
        training=replay.trainings(training).default.name,
        trials=replay.trials,
        first=replay.state(profile).first,
        steps=(),
        is_recorded=world.population.is_recorded,
    )
