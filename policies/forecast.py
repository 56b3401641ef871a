"""Retrain when forecasts of performance, with their uncertainty, say that it pays."""

from dataclasses import dataclass, field
from math import fsum, sqrt
from statistics import NormalDist

from policies.decision import Action, Decision
from policies.parameters import check_number, check_steps
from policies.requesting import Requests, measured_on_request, value_of
from policies.signals import Signals
from sim.errors import InputError

_LEAST_OBSERVATIONS = 3
_PRIOR_DEVIATION = 0.03
_PRIOR_WEIGHT = 3


@dataclass(slots=True)
class Forecast:
    """Forecast the F1 of the champion, and of a new one, and retrain when keeping may cost more than that.

    After UPF (Regol and others, When to retrain a machine learning model, ICML 2025), which forecasts performance
    with uncertainty and retrains when an upper quantile of the cost says so; it learns the forecast from models
    trained offline by Beta regression. Here production's own numbers must do: the champion's F1 is carried on along
    the least-squares line of what was seen of it (with one number, level), a new one is expected to begin at the mean
    of all baselines so far. The error of a forecast is normal on the scale of F1, with a prior of three observations
    of 0.03: a Beta of the same mean and variance hardly differs between 0.2 and 0.8.

    A good choice for slow drift: it asks before the loss is large, and less often the less sure it is. A bad one for
    sudden drift, which no trend foretells, and in the first year, when it has seen next to nothing.

    Parameters
    ----------
    f1
        The signal that says how the champion does: `f1`, late and true, or `f1_estimated`, early and uncertain.
    value_per_point
        Money that a step gains for each 1.0 of F1.
    retrain_cost
        What a retraining costs.
    horizon_steps
        Steps that the forecast looks ahead.
    quantile
        The quantile of the gain that must pay: above 0.5 it retrains when in doubt (as UPF does with high costs of
        being wrong), below it keeps.
    cooldown_days
        Days from one request to the next, at least.

    Raises
    ------
    InputError
        If there is no such signal, or a number is out of range.

    Examples
    --------
    >>> policy = Forecast(quantile=0.5, horizon_steps=3, value_per_point=10_000)
    >>> months = [Signals(step=s, day=30 * s, job_open=False, f1=0.6 - 0.05 * s, f1_drop=0.05 * s) for s in range(4)]
    >>> [policy.decide(signals).action.value for signals in months]
    ['keep', 'keep', 'retrain', 'retrain']
    """

    f1: str = "f1"
    value_per_point: float = 90_000
    retrain_cost: float = 1000
    horizon_steps: int = 6
    quantile: float = 0.3
    cooldown_days: float = 0
    _seen: list[tuple[int, float]] = field(default_factory=list, init=False, repr=False, compare=False)
    _baselines: list[float] = field(default_factory=list, init=False, repr=False, compare=False)
    _squares: float = field(default=0.0, init=False, repr=False, compare=False)
    _freedom: int = field(default=0, init=False, repr=False, compare=False)
    _requests: Requests = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.f1 not in ("f1", "f1_estimated"):
            raise InputError(f"f1 must be f1 or f1_estimated, got {self.f1!r}.")
        check_number("value_per_point", self.value_per_point, 0, 1e12)
        check_number("retrain_cost", self.retrain_cost, 0, 1e12)
        check_steps("horizon_steps", self.horizon_steps)
        check_number("quantile", self.quantile, 0.01, 0.99)
        self._requests = Requests(self.cooldown_days)

    @property
    def wants(self) -> frozenset[str]:
        """The F1 and its drop, where they are measured on request."""
        return measured_on_request(self.f1, self._drop)

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain` where the chosen quantile of the gain over the horizon is more than the cost."""
        f1, drop = value_of(signals, self.f1), value_of(signals, self._drop)
        evidence = {self.f1: f1, self._drop: drop}
        if f1 is None or drop is None:
            return Decision(Action.KEEP, "missing", evidence=evidence)
        if not self._seen:
            self._baselines.append(f1 + drop)
        self._seen.append((signals.step, f1))
        gain = self._gain(signals.step)
        if gain <= self.retrain_cost:
            return Decision(Action.KEEP, "quiet", evidence=evidence)
        reason = f"a gain of {gain:.0f} is forecast at quantile {self.quantile:g}, cost {self.retrain_cost:g}"
        return self._requests.ask(signals, reason, evidence)

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Keep how well the line fitted, and begin a new one."""
        level, slope = self._line()
        self._squares += fsum((f1 - level - slope * step) ** 2 for step, f1 in self._seen)
        self._freedom += self._own_freedom
        self._seen.clear()

    @property
    def _drop(self) -> str:
        return f"{self.f1}_drop"

    def _gain(self, today: int) -> float:
        """Return the chosen quantile of the money that a new champion gains over the horizon."""
        level, slope = self._line()
        fresh = fsum(self._baselines) / len(self._baselines)
        ahead = range(today + 1, today + 1 + self.horizon_steps)
        gained = fsum(fresh - min(max(level + slope * step, 0.0), 1.0) for step in ahead)
        return (gained + NormalDist().inv_cdf(self.quantile) * self._spread(ahead)) * self.value_per_point

    def _spread(self, ahead: range) -> float:
        """Return the standard deviation of the F1 gained over the steps ahead, in points of F1 times steps.

        The sum of h values of a fitted line has the variance s**2 (h**2 / n + (sum of their distances from the mean
        step)**2 / Sxx), which grows with the distance; that of h times a mean of m baselines is s**2 h**2 / m.
        """
        n_seen, horizon = len(self._seen), len(ahead)
        variance = horizon**2 * (1 / n_seen + 1 / len(self._baselines))
        if n_seen >= _LEAST_OBSERVATIONS:
            mean_step, squares = self._steps()
            variance += fsum(step - mean_step for step in ahead) ** 2 / squares if squares else 0.0
        return self._deviation() * sqrt(variance)

    def _steps(self) -> tuple[float, float]:
        """Return the mean of the steps at which this champion was seen, and the sum of their squared distances."""
        mean_step = fsum(step for step, _ in self._seen) / len(self._seen)
        return mean_step, fsum((step - mean_step) ** 2 for step, _ in self._seen)

    @property
    def _own_freedom(self) -> int:
        """The observations of this champion less the parameters fitted to them: a level, or a line."""
        n_seen = len(self._seen)
        return max(n_seen - (2 if n_seen >= _LEAST_OBSERVATIONS else 1), 0)

    def _line(self) -> tuple[float, float]:
        """Return level (at step 0) and slope of what was seen of this champion; level with few observations."""
        n_seen = len(self._seen)
        if not n_seen:
            return 0.0, 0.0
        mean_f1 = fsum(f1 for _, f1 in self._seen) / n_seen
        if n_seen < _LEAST_OBSERVATIONS:
            return mean_f1, 0.0
        mean_step, squares = self._steps()
        slope = fsum((step - mean_step) * (f1 - mean_f1) for step, f1 in self._seen) / squares if squares else 0.0
        return mean_f1 - slope * mean_step, slope

    def _deviation(self) -> float:
        """Return the standard deviation of one F1 around its line, drawn towards the prior."""
        level, slope = self._line()
        squares = self._squares + fsum((f1 - level - slope * step) ** 2 for step, f1 in self._seen)
        freedom = self._freedom + self._own_freedom
        return sqrt((squares + _PRIOR_WEIGHT * _PRIOR_DEVIATION**2) / (freedom + _PRIOR_WEIGHT))
