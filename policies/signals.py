"""The signals: every number that production could know on the day it decides."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any


def _signal(meaning: str, unit: str, *, on_request: bool = False) -> Any:
    """Declare a signal that is missing unless given; `meaning` and `unit` are what the catalogue prints."""
    return field(default=None, metadata={"meaning": meaning, "unit": unit, "on_request": on_request})


@dataclass(frozen=True, slots=True, kw_only=True)
class Signals:
    """What is visible on one day, at the moment the policy decides.

    A signal that cannot be known yet is missing (`None`), never zero. Performance signals speak of the newest
    label-complete cohort that the current champion scored itself; drift signals compare today's batch with the
    recent part of the rows that the champion was trained on.

    A signal on request is measured only for a policy that names it: a rule does so by itself, any other policy by an
    attribute `wants`. So are `scores`, the champion's probabilities for today's batch, and `errors`, whether each of
    its own predictions was wrong, for the cohorts that have become label-complete since the step before. Both are in
    the order of (`scored_at`, `customer_id`), and are not kept in the record.

    >>> Signals(step=4, day=120, job_open=False, f1_drop=0.08).f1_drop
    0.08
    """

    step: int
    day: int
    job_open: bool
    f1: float | None = _signal("observed F1 of the churn class on the newest complete cohort", "0 to 1")
    precision: float | None = _signal("share of predicted churners who churned, on the same cohort", "0 to 1")
    recall: float | None = _signal("share of churners who were predicted, on the same cohort", "0 to 1")
    accuracy: float | None = _signal("share of right predictions, on the same cohort", "0 to 1")
    roc_auc: float | None = _signal("probability that a churner outranks a stayer, on the same cohort", "0 to 1")
    f1_drop: float | None = _signal("champion's F1 at its own gate minus `f1`", "difference of F1")
    f1_drop_se: float | None = _signal("standard error of `f1_drop` (delta method, both samples)", "difference of F1")
    n_labelled: float | None = _signal("labelled rows in the newest complete cohort that the champion scored", "rows")
    unlabelled_rate: float | None = _signal("share of that cohort whose label has not arrived", "0 to 1")
    psi_max: float | None = _signal("largest population stability index of any feature today", "PSI")
    score_psi: float | None = _signal(
        "population stability index of today's scores against those on the champion's gate rows", "PSI"
    )
    ks_p_min: float | None = _signal("smallest Kolmogorov-Smirnov p-value of any numeric feature today", "p-value")
    null_rate: float | None = _signal("largest share of missing values in any feature today", "0 to 1")
    unseen_rate: float | None = _signal(
        "largest share of values outside the vocabulary in any categorical feature today", "0 to 1"
    )
    duplicate_rate: float | None = _signal("share of the rows delivered today that repeat another one", "0 to 1")
    age_days: float | None = _signal("days since the training of the champion was requested", "days")
    f1_drop_p: float | None = _signal(
        "chance of an `f1_drop` as large without a drop (one-sided normal test)", "p-value", on_request=True
    )
    f1_estimated: float | None = _signal(
        "expected F1 of today's batch, from calibrated scores, without labels (CBPE)", "0 to 1", on_request=True
    )
    f1_estimated_se: float | None = _signal(
        "standard deviation of the F1 that will be observed around `f1_estimated`",
        "difference of F1",
        on_request=True,
    )
    f1_estimated_drop: float | None = _signal(
        "champion's F1 at its own gate minus `f1_estimated`", "difference of F1", on_request=True
    )
    precision_estimated: float | None = _signal("expected precision of today's batch", "0 to 1", on_request=True)
    recall_estimated: float | None = _signal("expected recall of today's batch", "0 to 1", on_request=True)
    accuracy_estimated: float | None = _signal("expected accuracy of today's batch", "0 to 1", on_request=True)
    roc_auc_estimated: float | None = _signal("expected ROC AUC of today's batch", "0 to 1", on_request=True)
    f1_estimated_weighted: float | None = _signal(
        "as `f1_estimated`, calibrated on gate rows weighted to look like today's", "0 to 1", on_request=True
    )
    f1_estimated_weighted_drop: float | None = _signal(
        "champion's F1 at its own gate minus `f1_estimated_weighted`", "difference of F1", on_request=True
    )
    f1_delay_adjusted: float | None = _signal(
        "F1 that the newest cohort will have of whose churners half are known, by the chain ladder",
        "0 to 1",
        on_request=True,
    )
    f1_delay_adjusted_drop: float | None = _signal(
        "champion's F1 at its own gate minus `f1_delay_adjusted`", "difference of F1", on_request=True
    )
    two_sample_auc: float | None = _signal(
        "how well a classifier tells today's batch from the champion's gate rows (0.5: not at all)",
        "0 to 1",
        on_request=True,
    )
    two_sample_p: float | None = _signal(
        "chance of a `two_sample_auc` as high where nothing has moved, given who is in both samples",
        "p-value",
        on_request=True,
    )
    score_ks_p: float | None = _signal(
        "Kolmogorov-Smirnov p-value of today's scores against those on the champion's gate rows",
        "p-value",
        on_request=True,
    )
    psi_p: float | None = _signal(
        "chance of a PSI as large in any feature where nothing has moved, given who is in both samples and how many "
        "in each (Bonferroni)",
        "p-value",
        on_request=True,
    )
    drift_p: float | None = _signal(
        "smallest Benjamini-Hochberg p-value of any feature, of its values and of how many are missing",
        "p-value",
        on_request=True,
    )
    days_since_change: float | None = _signal(
        "days since the newest change that the labels show, by the first model's calibration; missing without one",
        "days",
        on_request=True,
    )
    days_since_change_sd: float | None = _signal(
        "standard deviation of what `days_since_change` may be", "days", on_request=True
    )
    null_rate_rise: float | None = _signal(
        "largest rise of the share of missing values in any feature, against the champion's recent training rows",
        "-1 to 1",
        on_request=True,
    )
    psi: Mapping[str, float] = field(default_factory=dict)  # PSI of each feature
    scores: tuple[float, ...] | None = None
    errors: tuple[bool, ...] | None = None

    def without_rows(self) -> "Signals":
        """Return the signals as the record keeps them: without `scores` and `errors`."""
        if self.scores is None and self.errors is None:
            return self
        return replace(self, scores=None, errors=None)

    def scalars(self) -> dict[str, float | None]:
        """Return the signals that a rule may use, by name; `None` where missing."""
        return {name: getattr(self, name) for name in CATALOGUE}


def known(value: float | None) -> float | None:
    """Return a value, `None` where it is missing or not a number.

    >>> known(0.5), known(None), known(float("nan"))
    (0.5, None, None)
    """
    return value if value == value else None  # noqa: PLR0124  only a nan differs from itself


@dataclass(frozen=True, slots=True)
class SignalInfo:
    """One line of the signal catalogue."""

    name: str
    meaning: str
    unit: str
    on_request: bool


CATALOGUE: Mapping[str, SignalInfo] = MappingProxyType(
    {f.name: SignalInfo(f.name, **f.metadata) for f in fields(Signals) if "meaning" in f.metadata}
)
"""The scalar signals by name, in the order in which they are printed; the names a rule may use."""

ROWS = ("scores", "errors")
"""What a policy may ask for beside scalar signals: single rows."""

ON_REQUEST = frozenset([*ROWS, *(name for name, info in CATALOGUE.items() if info.on_request)])
"""What is measured only for a policy that wants it."""
