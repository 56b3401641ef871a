"""The conformance suite: what the loop, replay and resume rely on, for anybody's policy."""

import pickle
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import UnionType
from typing import Any

from policies.decision import KEEP_REASONS, Action, Cause, Decision, Policy, Truth, wanted
from policies.signals import CATALOGUE, ROWS, Signals
from sim.errors import InputError

Factory = Callable[[], Policy]
"""Builds a fresh policy that has seen nothing yet; a class without parameters will do."""

_MONTHS = 30
_SHARED_MONTHS = 15
_REIGN_MONTHS = 7
_ROWS = 15
_PROTOCOL = ("decide", "deployed")


@dataclass(frozen=True, slots=True)
class Rehearsal:
    """What a policy goes through: the signals of each month, and the months that begin with a new champion."""

    name: str
    months: tuple[Signals, ...]


def check_policy(factory: Factory, name: str = "policy") -> None:
    """Refuse a policy that breaks the contract; return quietly for one that keeps it.

    A policy keeps the contract if it

    - has `decide(signals)` and `deployed(version)`, wants nothing that cannot be asked for, and is built anew by each
      call of the factory;
    - answers every day with a `Decision`: a keep for one of `KEEP_REASONS` and without a cause, any other action with
      a reason and a cause, numbers or `None` as evidence, and the same clauses as on the day before;
    - survives missing signals and values that are no number, and raises no alarm where every signal is missing;
    - is blind to the future, also by way of what an earlier life left behind;
    - is deterministic: the same signals get the same decisions, whatever another policy of its kind goes through;
    - can be pickled at any moment and goes on as if it had not been;
    - leaves the signals as they are.

    Parameters
    ----------
    factory
        What builds the policy.
    name
        What to call it in the message.

    Raises
    ------
    InputError
        If it does not; the message says what must hold, and what it did.

    Examples
    --------
    >>> from policies.rule import Rule
    >>> check_policy(lambda: Rule("psi_max > 0.25"))
    >>> class Silent:
    ...     def decide(self, signals): return Decision(Action.RETRAIN, "")
    ...     def deployed(self, version): pass
    >>> check_policy(Silent, "Silent")
    Traceback (most recent call last):
    sim.errors.InputError: A policy must give a reason and a cause for every action, but Silent gave none on day 0.
    """
    one, other = _life(name, 1), _life(name, 2)
    other = Rehearsal(name, one.months[:_SHARED_MONTHS] + other.months[_SHARED_MONTHS:])
    empty = Rehearsal(name, tuple(_without_signals(signals) for signals in one.months))
    _check_interface(factory, name)
    _check_blindness(factory, one, other)
    for life in (one, other, empty, _patchy(one)):
        _check_determinism(factory, life)
    _check_alarms_have_grounds(factory, empty)
    _check_separation(factory, one, other)
    _check_pickling(factory, one)


def _check_interface(factory: Factory, name: str) -> None:
    policy = factory()
    for method in _PROTOCOL:
        if not callable(getattr(policy, method, None)):
            raise InputError(f"A policy must have the methods decide and deployed, but {name} lacks {method}.")
    wanted(policy)
    if policy is factory():
        raise InputError(f"A policy must be built anew for each life, but {name} came twice as the same object.")


def _check_decision(decision: object, name: str, day: int) -> None:
    if not isinstance(decision, Decision):
        raise InputError(f"A policy must answer with a Decision, but {name} gave {decision!r} on day {day}.")
    _check_types(decision, name, day)
    if decision.action is Action.KEEP:
        if decision.reason not in KEEP_REASONS or decision.cause is not Cause.NONE:
            raise InputError(
                f"A policy must keep for one of {', '.join(KEEP_REASONS)} and without a cause, but {name} gave "
                f"{decision.reason!r} on day {day}."
            )
    elif not decision.reason or decision.cause is Cause.NONE:
        raise InputError(
            f"A policy must give a reason and a cause for every action, but {name} gave none on day {day}."
        )


def _check_types(decision: Decision, name: str, day: int) -> None:
    """Refuse parts that only look right: what reads a record compares them as what they should be."""
    for part, (is_right, must, todo) in _PARTS.items():
        value = getattr(decision, part)
        if not is_right(value):
            raise InputError(f"A policy must {must}, but {name} gave {value!r} on day {day}: {todo}.")


def _is_named(value: object, kinds: type | UnionType) -> bool:
    """Return whether a value gives something of these kinds by name."""
    return isinstance(value, Mapping) and all(
        isinstance(key, str) and isinstance(each, kinds) for key, each in value.items()
    )


_PARTS: Mapping[str, tuple[Callable[[object], bool], str, str]] = {
    "action": (lambda value: isinstance(value, Action), "answer with an Action", "write Action.KEEP or the like"),
    "reason": (lambda value: isinstance(value, str), "give its reason as text", "write a sentence"),
    "cause": (lambda value: isinstance(value, Cause), "give a Cause for its answer", "write Cause.ALARM or the like"),
    "evidence": (
        lambda value: _is_named(value, int | float | None),
        "give numbers or None by name as evidence",
        "leave text to the reason, and write float(...) around a number of another library",
    ),
    "clauses": (
        lambda value: _is_named(value, Truth),
        "give a Truth by name for each clause",
        "write Truth.TRUE or the like, or leave them out",
    ),
}
"""For each part of a decision: whether a value may be it, what a policy must do, and what to do if it does not."""


def _check_blindness(factory: Factory, one: Rehearsal, other: Rehearsal) -> None:
    """Let it live twice with one past and two futures; its answers to the past must be the same."""
    answers = [list(map(repr, _play(factory(), life)))[:_SHARED_MONTHS] for life in (one, other)]
    if answers[0] != answers[1]:
        raise InputError(
            f"A policy must be blind to the future, but {one.name} answered the same past in two ways once it had "
            f"lived through what came after."
        )


def _check_determinism(factory: Factory, life: Rehearsal) -> None:
    first, second = (list(map(repr, _play(factory(), life))) for _ in range(2))
    if first != second:
        raise InputError(
            f"A policy must decide the same on the same signals, but {life.name} did not; draw from a generator with "
            f"a seed of its own, and keep nothing on the class."
        )


def _check_separation(factory: Factory, one: Rehearsal, other: Rehearsal) -> None:
    """Let two of a kind live side by side; each must answer as if it were alone."""
    alone = list(map(repr, _play(factory(), one)))
    pair = zip(_play(factory(), one), _play(factory(), other), strict=True)
    if [repr(mine) for mine, _ in pair] != alone:
        raise InputError(
            f"A policy must decide by its own signals alone, but {one.name} answered otherwise while another of its "
            f"kind was at work; keep nothing on the class."
        )


def _check_alarms_have_grounds(factory: Factory, empty: Rehearsal) -> None:
    for signals, decision in zip(empty.months, _play(factory(), empty), strict=True):
        if decision.cause is Cause.ALARM:
            raise InputError(
                f"A policy must not raise an alarm while every signal is missing, but {empty.name} did on day "
                f"{signals.day}: {decision.reason}."
            )


def _check_pickling(factory: Factory, life: Rehearsal) -> None:
    policy = factory()
    for signals in life.months:
        _tell(policy, life, signals)
        with _sound(life, signals, "be picklable at any moment"):
            twin = pickle.loads(pickle.dumps(policy))
        with _sound(life, signals, "go on from a pickle as if nothing had happened"):
            answer = repr(twin.decide(signals))
        if answer != repr(policy.decide(signals)):
            raise InputError(
                f"A policy must go on from a pickle as if nothing had happened, but {life.name} did not on day "
                f"{signals.day}."
            )


def _play(policy: Policy, life: Rehearsal) -> Iterator[Decision]:
    """Yield the answers of a life, each of them sound."""
    clauses: set[str] | None = None
    for signals in life.months:
        _tell(policy, life, signals)
        before = replace(signals, psi=dict(signals.psi))
        with _sound(life, signals, "answer every day, whatever is missing"):
            decision = policy.decide(signals)
        if repr(before) != repr(signals):
            raise InputError(
                f"A policy must leave the signals alone, but {life.name} changed those of {signals.day}."
            )
        _check_decision(decision, life.name, signals.day)
        clauses = set(decision.clauses) if clauses is None else clauses
        if set(decision.clauses) != clauses:
            raise InputError(
                f"A policy must give the same clauses every day, but {life.name} gave {_listed(decision.clauses)} on "
                f"day {signals.day} after {_listed(clauses)}: give Truth.MISSING for one that is unknown."
            )
        yield decision


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _tell(policy: Policy, life: Rehearsal, signals: Signals) -> None:
    if signals.step % _REIGN_MONTHS == 0:
        with _sound(life, signals, "hear by deployed(version) of each new champion"):
            policy.deployed(f"job-{signals.step:03d}")


@contextmanager
def _sound(life: Rehearsal, signals: Signals, must: str) -> Iterator[None]:
    """Say in one sentence what a policy must do instead of raising an error."""
    try:
        yield
    except Exception as error:
        raise InputError(
            f"A policy must {must}, but {life.name} raised {type(error).__name__} on day {signals.day}: {error}."
        ) from error


def _life(name: str, seed: int) -> Rehearsal:
    """Return a life in which everything is known and drifts for the worse, with noise."""
    rng = random.Random(seed)
    return Rehearsal(name, tuple(_month(step, rng) for step in range(_MONTHS)))


def _month(step: int, rng: random.Random) -> Signals:
    values: dict[str, Any] = {signal: rng.random() * (step + 1) / _MONTHS for signal in CATALOGUE}
    values["age_days"] = 30.0 * (step % _REIGN_MONTHS)
    values["psi"] = {"tenure": values["psi_max"], "Contract": values["psi_max"] / 2}
    values["scores"] = tuple(rng.random() for _ in range(_ROWS))
    values["errors"] = tuple(rng.random() < 0.2 + 0.6 * step / _MONTHS for _ in range(_ROWS))
    return Signals(step=step, day=30 * step, job_open=step % 5 == 4, **values)


def _without_signals(signals: Signals) -> Signals:
    return Signals(step=signals.step, day=signals.day, job_open=signals.job_open)


def _patchy(life: Rehearsal) -> Rehearsal:
    """Return the life with a third of its signals missing and some that are no number."""
    rng = random.Random(3)
    return Rehearsal(life.name, tuple(_with_gaps(signals, rng) for signals in life.months))


def _with_gaps(signals: Signals, rng: random.Random) -> Signals:
    gaps: dict[str, Any] = {}
    for name in (*CATALOGUE, *ROWS):
        draw = rng.random()
        if draw < 0.3:
            gaps[name] = None
        elif draw < 0.4:
            gaps[name] = () if name in ROWS else float("nan")
    return replace(signals, **gaps)
