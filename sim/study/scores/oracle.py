"""The oracle: the schedule with the highest expected net value in hindsight that obeys every delay and gate."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import fsum
from typing import NamedTuple

from policies.decision import Action, Cause
from scenarios.schema import Prices
from sim.mlops.gates.profiles import GateProfile
from sim.mlops.models.profiles import TrainingProfile, Trainings
from sim.mlops.records.jobs import Deployed, Job, Validation, deployed
from sim.study.replay.replay import Replay, ReplayPlatform
from sim.study.replay.schedule import Schedule
from sim.study.scores.money import offer_value

MAX_STEPS = 160
MAX_STEPS_WITH_BEST = 80
_FIRST = -1
"""Stands for the first champion, where other models are named by the step that asked for them."""


class PlannerState(NamedTuple):
    """Where a life stands when a step begins, in the terms of `State`; a model is named by the number of its request.

    With n training profiles the request for the i-th of them at a step has the number step * n + i.

    `job` is the open job and `met` the step at which it passed its gates. `best` is the best champion so far where
    the gates ask for it, else it stays the first.
    """

    champion: int = _FIRST
    previous: int | None = None
    may_roll_back: bool = False
    is_rollback_due: bool = False
    job: int | None = None
    met: int | None = None
    best: int = _FIRST


class Move(NamedTuple):
    """An action, and for a retraining the number of the training profile that it learns by."""

    action: Action
    training: int = 0


_KEEP = Move(Action.KEEP)


@dataclass(frozen=True, slots=True)
class Plan:
    """The best schedule and its expected net value; `reason` says why there is none.

    `trainings` are the training profiles that it chose among.
    """

    schedule: Schedule | None
    net_value: float | None
    reason: str = ""
    trainings: tuple[TrainingProfile, ...] = ()


def planner(
    replay: Replay, profile: GateProfile, prices: Prices, trainings: Sequence[TrainingProfile] = ()
) -> "Planner | Plan":
    """Return what finds the best schedule of a world, or the plan that says why there is none.

    A request may learn by any of the `trainings`, by the scenario's profile if there are none. Where labels depend on
    what was served, models do too, and no table of them is finite. Beyond 160 requests that could be made, one a step
    and profile, the tables grow too long to wait for; beyond 80 where the gates ask for the best champion so far,
    whom they hold too.
    """
    longest = MAX_STEPS_WITH_BEST if profile.enforces("f1_against_best") else MAX_STEPS
    known = tuple(trainings) or (replay.trainings().default,)
    if replay.has_feedback:
        return Plan(None, None, "labels depend on what was served")
    if len(replay.world.steps) * len(known) > longest:
        what = "steps" if len(known) == 1 else "steps times training profiles"
        return Plan(None, None, f"more than {longest} {what}")
    return Planner(replay, profile, prices, known)


def plan(replay: Replay, profile: GateProfile, prices: Prices, trainings: Sequence[TrainingProfile] = ()) -> Plan:
    """Return the best schedule of a world, when and on what, or why there is none."""
    found = planner(replay, profile, prices, trainings)
    return found if isinstance(found, Plan) else found.solve()


class Planner:
    """Finds the best schedule of keep, retrain on what, and rollback in a world, by exact dynamic programming.

    The state is (champion, previous champion, open job, what a rollback may do, best champion so far); every
    transition is the one that the loop makes, with the same models, gates and delays. No signal is computed: a
    schedule looks at none.

    Notes
    -----
    Bellman's equation, solved backwards over the standings that can be reached: V(t, s) = value of the champion's
    offers at t + max over actions of (V(t + 1, s') - the retraining's cost). Of equally good actions the first of
    keep, retrain (the profiles in their order), rollback is taken.
    """

    def __init__(
        self, replay: Replay, profile: GateProfile, prices: Prices, trainings: Sequence[TrainingProfile]
    ) -> None:
        self.trainings = tuple(trainings)
        self._names = [each.name for each in self.trainings]
        self._world = replay.world
        self._prices = prices
        self._life = _scout(replay, profile, self.trainings)
        self._deployed: dict[int, Deployed] = {_FIRST: replay.state(profile).champion}
        self._jobs: dict[int, Job] = {}
        self._met: dict[tuple[int, int, int, int], tuple[bool, bool]] = {}
        self._worth: dict[tuple[int, int], float] = {}
        self._moves: dict[tuple[int, PlannerState, Move], tuple[Move, PlannerState]] = {}

    def value(self, actions: Mapping[int, Action], learnt: Mapping[int, str] | None = None) -> float:
        """Return the expected net value of a schedule; an action that the loop would refuse is a `keep`.

        `learnt` names the training profile of a retraining by its step, the first of all where it names none.
        """
        state, parts = self._begin(0, PlannerState()), []
        for step in self._world.steps:
            asked = actions.get(step, Action.KEEP)
            move = _KEEP if asked is Action.KEEP else self._move(asked, (learnt or {}).get(step, self._names[0]))
            parts.append(self._value(step, state.champion))
            move, state = self._moved(step, state, move)
            if move.action is Action.RETRAIN:
                parts.append(-self._cost(move))
        return fsum(parts)

    def _moved(self, step: int, state: PlannerState, move: Move) -> tuple[Move, PlannerState]:
        """Return the move that the loop makes of one asked for, and the state in which the next step begins."""
        key = (step, state, move)
        if key not in self._moves:
            options = dict(self._options(step, state))
            made = move if move in options else _KEEP
            is_last = step + 1 == len(self._world.steps)
            self._moves[key] = made, state if is_last else self._begin(step + 1, options[made])
        return self._moves[key]

    def _move(self, action: Action, training: str) -> Move:
        return Move(action, self._names.index(training) if action is Action.RETRAIN else 0)

    def _cost(self, move: Move) -> float:
        """Return what a request costs: each model that it trains."""
        return self._prices.retrain_cost * len(self.trainings[move.training].entrants)

    def solve(self) -> Plan:
        """Walk forwards over all standings that can be reached, then backwards for the best actions."""
        layers = [{self._begin(0, PlannerState())}]
        for step in self._world.steps[:-1]:
            reached = (after for state in layers[-1] for _, after in self._options(step, state))
            layers.append({self._begin(step + 1, after) for after in reached})
        ahead: dict[PlannerState, float] = {}
        best: list[dict[PlannerState, Move]] = []
        for step in reversed(self._world.steps):
            chosen = {state: self._choose(step, state, ahead) for state in layers[step]}
            best.append({state: action for state, (action, _) in chosen.items()})
            ahead = {state: self._value(step, state.champion) + value for state, (_, value) in chosen.items()}
        (start,) = layers[0]
        moves = dict(self._follow(start, best[::-1]))
        actions = {step: move.action for step, move in moves.items()}
        asked = {step: move for step, move in moves.items() if move.action is Action.RETRAIN}
        is_named = len(self._names) > 1
        learnt = {step: self._names[move.training] for step, move in asked.items()} if is_named else {}
        return Plan(Schedule(actions, "oracle", learnt), self.value(actions, learnt), trainings=self.trainings)

    def _follow(self, state: PlannerState, best: list[dict[PlannerState, Move]]) -> Iterator[tuple[int, Move]]:
        for step in self._world.steps:
            move = best[step][state]
            if move.action is not Action.KEEP:
                yield step, move
            if step + 1 < len(self._world.steps):
                after = dict(self._options(step, state))[move]
                state = self._begin(step + 1, after)

    def _choose(self, step: int, state: PlannerState, ahead: dict[PlannerState, float]) -> tuple[Move, float]:
        """Return the best move at a step, and what it is worth from the next step on."""
        best, most = _KEEP, float("-inf")
        for move, after in self._options(step, state):
            value = ahead[self._begin(step + 1, after)] if step + 1 < len(self._world.steps) else 0.0
            value -= self._cost(move) if move.action is Action.RETRAIN else 0.0
            if value > most:
                best, most = move, value
        return best, most

    def _options(self, step: int, state: PlannerState) -> Iterator[tuple[Move, PlannerState]]:
        """Yield the moves that the loop allows at a step, and where each leaves the life at the end of it."""
        yield _KEEP, state
        if state.job is None and not state.is_rollback_due:
            for training in range(len(self.trainings)):
                number = step * len(self.trainings) + training
                yield Move(Action.RETRAIN, training), state._replace(job=number)
            if state.may_roll_back:
                yield Move(Action.ROLLBACK), state._replace(is_rollback_due=True)

    def _asked_on(self, job: int) -> int:
        """Return the day of a request."""
        return self._world.day(job // len(self.trainings))

    def _begin(self, step: int, state: PlannerState) -> PlannerState:
        """Return the state after the first phase of a step: what is due by today has ended."""
        if state.is_rollback_due and state.previous is not None:
            # until a promotion there is nothing to go back to
            return PlannerState(champion=state.previous, best=state.best)
        job, days, day = state.job, self._world.scenario.jobs, self._world.day(step)
        if job is None or day < self._asked_on(job) + days.train_days:
            return state
        met = state.met
        if met is None:
            if not self._meet(step, job, state)[0]:
                return state._replace(job=None)
            met = step
        if day < self._world.day(met) + days.approval_days:
            return state._replace(met=met)
        self._deploy(met, job, state)
        is_new_best = self._meet(met, job, state)[1]
        best = job if is_new_best else state.best
        return PlannerState(champion=job, previous=state.champion, may_roll_back=True, best=best)

    def _meet(self, step: int, job: int, state: PlannerState) -> tuple[bool, bool]:
        """Return whether a job passes its gates at a step, and whether it is the best champion so far then."""
        key = (step, job, state.champion, state.best)
        if key not in self._met:
            meeting = self._examined(step, job, state)
            self._met[key] = meeting.verdict.passed, meeting.is_new_best
        return self._met[key]

    def _deploy(self, met: int, job: int, state: PlannerState) -> None:
        """Note the model of a job that has passed; its baseline plays no part in any value."""
        if job not in self._deployed:
            meeting = self._examined(met, job, state)
            self._deployed[job] = deployed(replace(self._job(job, met), meeting=meeting))

    def _examined(self, step: int, job: int, state: PlannerState) -> Validation:
        trained = self._job(job, step)  # looks at the log of another day, so before today is set
        self._life.log.today = self._world.day(step - 1)
        champion, best = self._deployed[state.champion], self._deployed[state.best]
        return self._life.validate(step, trained, champion, best)

    def _job(self, number: int, met: int) -> Job:
        """Return the job of a request with its model: of a tournament the one chosen at its meeting."""
        if number not in self._jobs:
            step, training = divmod(number, len(self.trainings))
            name, day = self._names[training], self._world.day(step)
            self._life.log.today = day
            asked = Job(f"retrain-{step:03d}/{name}", step, day, Cause.SCHEDULE, "oracle", training=name)
            self._jobs[number] = self._life.train(asked, self._deployed[_FIRST])
            if self._jobs[number].challengers:
                self._life.log.today = self._world.day(met - 1)
                self._jobs[number] = self._life.choose(met, self._jobs[number])
        return self._jobs[number]

    def _value(self, step: int, champion: int) -> float:
        key = (step, champion)
        if key not in self._worth:
            tally = self._life.settle(self._life.would_serve(step, self._deployed[champion]))
            self._worth[key] = offer_value(tally, self._prices)
        return self._worth[key]


def _scout(replay: Replay, profile: GateProfile, trainings: Sequence[TrainingProfile]) -> ReplayPlatform:
    """Return a life in which the first champion has served every step, so that any of its labels can be looked up."""
    named = Trainings(trainings[0], {each.name: each for each in trainings})
    life, champion = ReplayPlatform(replay, profile, named), replay.state(profile).champion
    for step in replay.world.steps:
        life.serve(step, champion)
    return life
