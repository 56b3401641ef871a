"""Retrain when a stream detector of river says that a stream has changed."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Protocol

from policies.decision import Action, Decision
from policies.parameters import MAXIMUM, check_choice, check_count, check_flag, check_number, check_whole
from policies.requesting import Requests
from policies.settings import Value, read_settings
from policies.signals import Signals
from sim.errors import InputError


class StreamDetector(Protocol):
    """What a detector of river is to this module."""

    drift_detected: bool

    def update(self, x: float) -> None:
        """Take in one value."""
        ...


Check = Callable[[str, Any], None]
"""Refuses a value, given what to call it, unless it is of the right type and in range."""


@dataclass(frozen=True, slots=True)
class DetectorInfo:
    """One detector of river 0.26: where it stands, what it reads, and the settings that it takes.

    River checks few of its settings, and fails on others in the middle of a stream, so each comes with a check here.
    `room` says of two of them that the first must be at least so many times the second. `ones_mean_right` says that
    the ones of its stream are right predictions, not errors.
    """

    module: str
    name: str
    streams: tuple[str, ...]
    settings: Mapping[str, Check]
    fixed: Mapping[str, Value] = field(default_factory=dict)
    room: tuple[str, int, str] | None = None
    ones_mean_right: bool = False


_ANY, _ERRORS = ("errors", "scores"), ("errors",)
_SIZE = partial(check_whole, low=1, high=MAXIMUM)
_SEED = partial(check_whole, low=0, high=2**32 - 1)
_SHARE = partial(check_number, low=0, high=1)
_SHARE_ABOVE_0 = partial(check_number, low=1e-12, high=1)
_LEVEL = partial(check_number, low=0, high=100_000)
DETECTORS: Mapping[str, DetectorInfo] = {
    "adwin": DetectorInfo(
        "river.drift",
        "ADWIN",
        _ANY,
        {
            "delta": _SHARE_ABOVE_0,
            "clock": _SIZE,
            "max_buckets": _SIZE,
            "min_window_length": check_count,
            "grace_period": check_count,
        },
    ),
    "page_hinkley": DetectorInfo(
        "river.drift",
        "PageHinkley",
        _ANY,
        {
            "min_instances": check_count,
            "delta": _SHARE,
            "threshold": _LEVEL,
            "alpha": _SHARE,
            "mode": partial(check_choice, known=("up", "down", "both")),
        },
    ),
    "kswin": DetectorInfo(
        "river.drift",
        "KSWIN",
        _ANY,
        {"alpha": _SHARE_ABOVE_0, "window_size": _SIZE, "stat_size": _SIZE, "seed": _SEED},
        fixed={"seed": 1},
        room=("window_size", 2, "stat_size"),  # the older part must have as many to draw as the newer one has
    ),
    "ddm": DetectorInfo(
        "river.drift.binary",
        "DDM",
        _ERRORS,
        {"warm_start": check_count, "warning_threshold": _LEVEL, "drift_threshold": _LEVEL},
    ),
    "eddm": DetectorInfo(
        "river.drift.binary",
        "EDDM",
        _ERRORS,
        {"warm_start": check_count, "alpha": _SHARE, "beta": _SHARE},
    ),
    "hddm_a": DetectorInfo(
        "river.drift.binary",
        "HDDMA",
        _ERRORS,
        {"drift_confidence": _SHARE_ABOVE_0, "warning_confidence": _SHARE_ABOVE_0, "two_sided_test": check_flag},
    ),
    "hddm_w": DetectorInfo(
        "river.drift.binary",
        "HDDMW",
        _ERRORS,
        {
            "drift_confidence": _SHARE_ABOVE_0,
            "warning_confidence": _SHARE_ABOVE_0,
            "lambda_val": _SHARE_ABOVE_0,
            "two_sided_test": check_flag,
        },
    ),
    "fhddm": DetectorInfo(
        "river.drift.binary",
        "FHDDM",
        _ERRORS,
        {"sliding_window_size": _SIZE, "confidence_level": _SHARE_ABOVE_0, "short_window_size": _SIZE},
        room=("sliding_window_size", 1, "short_window_size"),
        ones_mean_right=True,  # river's docstring says errors, but as in the paper it alarms when the ones get fewer
    ),
}
"""The detectors by name. Sources: ADWIN: Bifet and Gavalda, SDM 2007. Page-Hinkley: Page, Biometrika 1954. KSWIN:
Raab, Heusinger and Schleif, Neurocomputing 2020. DDM: Gama and others, SBIA 2004. EDDM: Baena-Garcia and others,
IWKDDS 2006. HDDM: Frias-Blanco and others, IEEE TKDE 2015. FHDDM: Pesaranghader and Viktor, ECML PKDD 2016."""


@dataclass(slots=True)
class Detector:
    """Retrain when one of river's detectors finds that the errors or the scores of the champion have changed.

    A good choice where a change should be found without a threshold on its size, as soon as enough rows have shown
    it; a bad one where labels come in large late batches, which leaves little of the detector's quickness, and where
    a champion is bad from its first day: a detector knows changes only.

    An alarm stands until a new champion is deployed, which also starts the detector again; until then it is held back
    by `cooldown_days` since the last request and by an open job. So a rejected challenger is not the end of it.

    Parameters
    ----------
    detector
        One of `DETECTORS`.
    watches
        `errors`: whether the champion's own predictions were wrong, for the cohorts that became label-complete since
        the step before, row by row; or `scores`: its probabilities for today's batch. Detectors of binary streams
        take errors only.
    settings
        Settings of river's class, such as `delta = 0.01`; river's defaults hold for the others, but KSWIN draws with
        the seed 1. ADWIN, Page-Hinkley and KSWIN alarm on a change for the better too, the others on more errors
        only; `mode` and `two_sided_test` change that.
    cooldown_days
        Days from one request to the next, at least.

    Raises
    ------
    InputError
        If there is no such detector, stream or setting, or a value is of the wrong type or out of range.

    Examples
    --------
    >>> policy = Detector("ddm", "errors", settings="warm_start = 10")
    >>> right, wrong = (False,) * 50, (True,) * 50
    >>> policy.decide(Signals(step=0, day=0, job_open=False, errors=right)).reason
    'quiet'
    >>> policy.decide(Signals(step=1, day=30, job_open=False, errors=wrong)).reason
    'ddm on errors, row 1 of 50 on day 30'
    """

    detector: str = "adwin"
    watches: str = "errors"
    settings: str = ""
    cooldown_days: float = 0
    _alarm: str = field(default="", init=False, repr=False, compare=False)
    _engine: StreamDetector | None = field(default=None, init=False, repr=False, compare=False)
    _requests: Requests = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        self._requests = Requests(self.cooldown_days)
        check_choice("detector", self.detector, DETECTORS)
        info = DETECTORS[self.detector]
        check_choice(f"the stream that {self.detector} watches", self.watches, info.streams)
        for name, value in read_settings(self.settings).items():
            check_choice(f"a setting of {self.detector}", name, info.settings)
            info.settings[name](f"the setting {name} of {self.detector}", value)

    @property
    def wants(self) -> frozenset[str]:
        """The stream that it watches."""
        return frozenset({self.watches})

    def decide(self, signals: Signals) -> Decision:
        """Answer `retrain` when the detector has found a change, `keep` with what held it back."""
        rows: Sequence[float] | None = getattr(signals, self.watches)
        if rows and not self._alarm:
            self._watch(rows, signals.day)
        evidence = {f"{self.watches}_mean": sum(rows) / len(rows) if rows else None}
        if not self._alarm:
            return Decision(Action.KEEP, "missing" if rows is None else "quiet", evidence=evidence)
        return self._requests.ask(signals, self._alarm, evidence)

    def deployed(self, version: str) -> None:  # noqa: ARG002  any new champion will do
        """Start again: the errors and scores of the old champion say nothing of the new one."""
        self._alarm, self._engine = "", None

    def _watch(self, rows: Sequence[float], day: int) -> None:
        """Feed the rows to the detector up to its first alarm."""
        if self._engine is None:
            self._engine = new_engine(self.detector, self.settings)
        is_turned = DETECTORS[self.detector].ones_mean_right
        for number, value in enumerate(rows, start=1):
            self._engine.update(not value if is_turned else value)
            if self._engine.drift_detected:
                self._alarm = f"{self.detector} on {self.watches}, row {number} of {len(rows)} on day {day}"
                return


def new_engine(detector: str, settings: str) -> StreamDetector:
    """Return a fresh detector of river; river is imported here, for that takes a second.

    Raises
    ------
    InputError
        If river refuses a setting, or two do not fit each other.
    """
    info = DETECTORS[detector]
    try:
        engine: Any = getattr(importlib.import_module(info.module), info.name)
        made: StreamDetector = engine(**{**info.fixed, **read_settings(settings)})
    except (TypeError, ValueError, ArithmeticError) as error:
        reason = str(error).removesuffix(".")
        raise InputError(f"{detector} must have settings that river accepts, got {settings!r}: {reason}.") from error
    if info.room:
        _check_room(detector, made, *info.room)
    return made


def _check_room(detector: str, engine: StreamDetector, larger: str, times: int, smaller: str) -> None:
    high, low = getattr(engine, larger), getattr(engine, smaller)
    if low is not None and high < times * low:
        factor = f"{times} times " if times > 1 else ""
        raise InputError(f"{larger} of {detector} must be at least {factor}{smaller}, got {high} and {low}.")
