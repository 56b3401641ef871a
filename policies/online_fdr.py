"""Retrain on p-values, with the rate of false alarms held over time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from math import exp, log, sqrt

from policies.decision import Action, Decision
from policies.parameters import check_choice, check_number
from policies.requesting import Requests, measured_on_request, value_of
from policies.signals import CATALOGUE, Signals

METHODS = ("lord", "saffron")
_LORD_SCALE = 0.07720838  # makes the weights sum to one
_SAFFRON_SCALE = 0.4374901658  # 1 / zeta(1.6)
_CANDIDATE = 0.5


@dataclass(slots=True)
class OnlineFdr:
    """Retrain when the p-value of the day is below a level that is spent over time so that few alarms are false.

    A good choice where the promise matters: over a life without drift the chance of any alarm is at most `level`,
    however long it is. A bad one for weak and slow drift: the later a test comes, the less is left to spend on it.

    Every known p-value is one test, also while a job is open. What the two methods promise is a false discovery rate:
    without any drift that is the chance of an alarm. LORD++ keeps it for p-values in any dependence up to the first
    alarm, since the levels until then sum to half of `level` (union bound); SAFFRON and all that follows a first
    alarm need p-values that are independent, which months compared with one reference are not quite.

    Parameters
    ----------
    p_value
        A signal that is a p-value, such as `drift_p`.
    level
        The rate, from 1e-9 to 0.5.
    method
        `lord`: LORD++ (Ramdas, Yang, Wainwright and Jordan, NeurIPS 2017); `saffron`: SAFFRON (Ramdas, Zrnic,
        Wainwright and Jordan, ICML 2018) with candidates below 0.5, which spends nothing on hopeless tests.
    cooldown_days
        Days from one request to the next, at least.

    Raises
    ------
    InputError
        If the signal is no p-value, or a parameter is out of range.

    Examples
    --------
    >>> policy = OnlineFdr("drift_p", level=0.1)
    >>> policy.decide(Signals(step=0, day=0, job_open=False, drift_p=0.02)).reason
    'quiet'
    >>> policy.decide(Signals(step=1, day=30, job_open=False, drift_p=1e-6)).reason
    'drift_p = 1e-06 at level 0.000582'
    """

    p_value: str = "drift_p"
    level: float = 0.05
    method: str = "lord"
    cooldown_days: float = 0
    _p_values: list[float] = field(default_factory=list, init=False, repr=False, compare=False)
    _found: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    _requests: Requests = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._requests = Requests(self.cooldown_days)
        check_number("level", self.level, 1e-9, 0.5)
        p_values = [name for name, info in CATALOGUE.items() if info.unit == "p-value"]
        check_choice("p_value", self.p_value, p_values)
        check_choice("method", self.method, METHODS)

    @property
    def wants(self) -> frozenset[str]:
        """The p-value, where it is measured on request."""
        return measured_on_request(self.p_value)

    def decide(self, signals: Signals) -> Decision:
        """Test today's p-value; answer `retrain` where it is below its level."""
        p_value = value_of(signals, self.p_value)
        evidence = {self.p_value: p_value}
        if p_value is None:
            return Decision(Action.KEEP, "missing", evidence=evidence)
        level = self._next_level()
        self._p_values.append(p_value)
        if p_value > level:
            return Decision(Action.KEEP, "quiet", evidence=evidence)
        self._found.append(len(self._p_values))
        return self._requests.ask(signals, f"{self.p_value} = {p_value:.3g} at level {level:.3g}", evidence)

    def deployed(self, version: str) -> None:
        """Take no notice: the levels are spent over the whole life."""

    def _next_level(self) -> float:
        return _LEVELS[self.method](self.level, self._p_values, self._found)


def lord_level(level: float, p_values: list[float], found: list[int]) -> float:
    """Return the level of the next test under LORD++, half of the wealth being there from the start.

    Parameters
    ----------
    level
        The false discovery rate.
    p_values
        Those of the tests so far, in order.
    found
        The numbers of the tests (from 1) that found something.
    """
    now = len(p_values) + 1
    start = level / 2
    earned = [level - start if index == 0 else level for index in range(len(found))]
    spent = sum(wealth * _lord_weight(now - at) for wealth, at in zip(earned, found, strict=True))
    return start * _lord_weight(now) + spent


def saffron_level(level: float, p_values: list[float], found: list[int]) -> float:
    """Return the level of the next test under SAFFRON; parameters as in `lord_level`."""
    now = len(p_values) + 1
    start = level / 2
    share = 1 - _CANDIDATE

    def weight(since: int) -> float:
        candidates = sum(p_value <= _CANDIDATE for p_value in p_values[since:])
        return _saffron_weight(now - since - candidates)

    earned = [level - start if index == 0 else level for index in range(len(found))]
    spent = sum(wealth * weight(at) for wealth, at in zip(earned, found, strict=True))
    return min(_CANDIDATE, share * (start * weight(0) + spent))


def _lord_weight(number: int) -> float:
    return _LORD_SCALE * log(max(number, 2)) / (number * exp(sqrt(log(number))))


def _saffron_weight(number: int) -> float:
    return float(_SAFFRON_SCALE / number**1.6)


_LEVELS: Mapping[str, Callable[[float, list[float], list[int]], float]] = {
    "lord": lord_level,
    "saffron": saffron_level,
}
