"""Retrain when it is expected to pay."""

from dataclasses import dataclass, field

from policies.decision import Action, Decision
from policies.parameters import check_number, check_steps
from policies.requesting import Requests, check_signal, measured_on_request, value_of
from policies.signals import Signals

_STANDARD_ERRORS = {"f1_drop": "f1_drop_se", "f1_estimated_drop": "f1_estimated_se"}


@dataclass(slots=True)
class ExpectedValue:
    """Retrain when the expected gain over the coming steps is more than a retraining costs.

    The gain is (drop - bias - doubt x its standard error) x value a point x steps x chance that the gates let the
    challenger through. It is the plain rule of decision theory, with everything that it needs as a parameter.

    A good choice where the prices are known and stable: it needs no threshold, and says what it expects. A bad one
    where the drop is not the model's fault: if the world has become harder to predict, no retraining gives it back.

    Parameters
    ----------
    drop
        The signal that says how much F1 is lost.
    value_per_point
        Money that a step gains for each 1.0 of F1.
    retrain_cost
        What a retraining costs.
    horizon_steps
        Steps for which a new champion is expected to keep what it gains.
    pass_rate
        The chance that a challenger passes its gates.
    bias
        How much of the drop is only that the baseline was selected for being high.
    doubt
        Standard errors of the drop that are taken off it.
    cooldown_days
        Days from one request to the next, at least.

    Raises
    ------
    InputError
        If there is no such signal, or a number is out of range.

    Examples
    --------
    >>> policy = ExpectedValue(value_per_point=10_000, horizon_steps=6, pass_rate=0.5, bias=0, doubt=1)
    >>> policy.decide(Signals(step=0, day=0, job_open=False, f1_drop=0.125, f1_drop_se=0.025)).reason
    'expected gain 3000, cost 1000'
    """

    drop: str = "f1_drop"
    value_per_point: float = 90_000
    retrain_cost: float = 1000
    horizon_steps: int = 6
    pass_rate: float = 0.55
    bias: float = 0.018
    doubt: float = 1.0
    cooldown_days: float = 0
    _requests: Requests = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        check_signal("drop", self.drop)
        check_number("value_per_point", self.value_per_point, 0, 1e12)
        check_number("retrain_cost", self.retrain_cost, 0, 1e12)
        check_steps("horizon_steps", self.horizon_steps)
        check_number("pass_rate", self.pass_rate, 0, 1)
        check_number("bias", self.bias, 0, 1)
        check_number("doubt", self.doubt, 0, 10)
        self._requests = Requests(self.cooldown_days)

    @property
    def wants(self) -> frozenset[str]:
        """The drop and its standard error, where they are measured on request."""
        return measured_on_request(self.drop, _STANDARD_ERRORS.get(self.drop, self.drop))

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain` where the expected gain is more than the cost."""
        drop = value_of(signals, self.drop)
        error_name = _STANDARD_ERRORS.get(self.drop)
        error = value_of(signals, error_name) if error_name else 0.0
        evidence = {self.drop: drop} | ({error_name: error} if error_name else {})
        if drop is None or error is None:
            return Decision(Action.KEEP, "missing", evidence=evidence)
        lost = max(drop - self.bias - self.doubt * error, 0.0)
        gain = lost * self.value_per_point * self.horizon_steps * self.pass_rate
        if gain <= self.retrain_cost:
            return Decision(Action.KEEP, "quiet", evidence=evidence)
        reason = f"expected gain {gain:.0f}, cost {self.retrain_cost:g}"
        return self._requests.ask(signals, reason, evidence)

    def deployed(self, version: str) -> None:
        """Take no notice: each day is weighed by itself."""
