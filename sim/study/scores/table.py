"""The table of scores: what each is, in which unit, how seeds are put together, and where it comes from.

A score that is added here is a column of `results.parquet`, a score of the boards, of `--fail-if`, of MLflow and of
docs/scores.md. Its value stands beside the others of its `Origin`: in `judge.Summary` for what comes from the record
alone, else in `sim.study.comparison.cells`.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Self


class Unit(StrEnum):
    """What a score counts."""

    F1 = "F1"
    SHARE = "share"
    RATIO = "ratio"
    COUNT = "count"
    DAYS = "days"
    PER_YEAR = "a year"
    MONEY = "money"


class Origin(StrEnum):
    """What a score is computed from, in the order of the columns of `results.parquet`."""

    RECORD = "the record alone"
    HELD_OUT = "the held-out customers of the record"
    RECOVERY = "the record, the first champion kept, and fresh models"
    RESPONSE = "the jobs of the record"
    ORACLE = "the oracle's plan"
    BASELINE = "the record and that of the baseline"
    CONSTRAINTS = "the oracle's plans without a constraint, with --split"
    NEEDLESS = "the oracle's planner, with retrainings left out"


class Pooling(StrEnum):
    """How the values of many seeds become one figure of a board.

    In a restricted mean a time that never came counts as the days to the end; what is pooled in no way is a column of
    the results alone.
    """

    MEAN = "mean"
    RESTRICTED_MEAN = "restricted mean"
    MEAN_WHERE_ENDED = "mean where it ended"
    RATIO_OF_SUMS = "ratio of sums"
    NONE = "-"


@dataclass(frozen=True, slots=True)
class Definition:
    """What is known of a score before any world is played.

    `is_paired` compares it with the baseline seed by seed; `follows_prices` says that a finished comparison can tell
    it at other prices; `higher_is_better` is `None` where neither is.
    """

    unit: Unit
    source: Origin
    meaning: str
    pooling: Pooling = Pooling.MEAN
    higher_is_better: bool | None = None
    is_paired: bool = False
    follows_prices: bool = True


class Score(StrEnum):
    """Every score by name, in the order of the boards.

    >>> Score.REGRET.is_money, Score.REGRET.against_oracle
    (True, True)
    >>> Score("f1_after") is Score.F1_AFTER
    True
    """

    definition: Definition

    def __new__(cls, name: str, definition: Definition) -> Self:
        """Make a member that is its name and knows its definition."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.definition = definition
        return member

    @property
    def unit(self) -> Unit:
        """What it counts."""
        return self.definition.unit

    @property
    def meaning(self) -> str:
        """What it is, in a sentence."""
        return self.definition.meaning

    @property
    def source(self) -> Origin:
        """What it is computed from."""
        return self.definition.source

    @property
    def pooling(self) -> Pooling:
        """How the values of many seeds become one."""
        return self.definition.pooling

    @property
    def is_money(self) -> bool:
        """Whether it is in the currency of the scenario."""
        return self.unit is Unit.MONEY

    @property
    def is_censored(self) -> bool:
        """Whether it is a time that may never come, and then counts as the days to the end."""
        return self.pooling is Pooling.RESTRICTED_MEAN

    @property
    def may_never_end(self) -> bool:
        """Whether boards give the share of seeds in which it never came."""
        return self.pooling in {Pooling.RESTRICTED_MEAN, Pooling.MEAN_WHERE_ENDED}

    @property
    def is_averaged(self) -> bool:
        """Whether it is a mean over seeds on a board."""
        return self.pooling not in {Pooling.RATIO_OF_SUMS, Pooling.NONE}

    @property
    def is_on_boards(self) -> bool:
        """Whether boards have it at all."""
        return self.pooling is not Pooling.NONE

    @property
    def is_in_cells(self) -> bool:
        """Whether one life has it; a ratio of sums over seeds belongs to many."""
        return self.pooling is not Pooling.RATIO_OF_SUMS

    @property
    def is_paired(self) -> bool:
        """Whether it is compared with the baseline, seed by seed."""
        return self.definition.is_paired

    @property
    def follows_prices(self) -> bool:
        """Whether a finished comparison can tell it at other prices; else it needs the draws or another plan."""
        return self.definition.follows_prices

    @property
    def against_oracle(self) -> bool:
        """Whether a life that does what the oracle can't has none."""
        return self.source in {Origin.ORACLE, Origin.NEEDLESS}

    F1_BEFORE = (
        "f1_before",
        Definition(
            Unit.F1, Origin.RECORD, "expected F1, mean over the steps before the onset", higher_is_better=True
        ),
    )
    F1_AFTER = (
        "f1_after",
        Definition(
            *(Unit.F1, Origin.RECORD, "expected F1, mean over the steps from the onset on"),
            higher_is_better=True,
            is_paired=True,
        ),
    )
    F1_END = (
        "f1_end",
        Definition(
            *(Unit.F1, Origin.RECORD, "expected F1, mean over the last six steps"),
            higher_is_better=True,
            is_paired=True,
        ),
    )
    F1_OBSERVED = (
        "f1_observed",
        Definition(Unit.F1, Origin.RECORD, "F1 against what happened, mean over all steps", higher_is_better=True),
    )
    PRECISION_AT_CAPACITY = (
        "precision_at_capacity",
        Definition(
            Unit.SHARE, Origin.RECORD, "expected churners among those who got an offer", higher_is_better=True
        ),
    )
    LIFT_AT_CAPACITY = (
        "lift_at_capacity",
        Definition(
            *(Unit.RATIO, Origin.RECORD, "how many times more churners there are among them than among all"),
            higher_is_better=True,
        ),
    )
    DETECTION_DAYS = (
        "detection_days",
        Definition(
            *(Unit.DAYS, Origin.RECORD, "onset to the first retraining that the drift made a clause ask for"),
            pooling=Pooling.RESTRICTED_MEAN,
            higher_is_better=False,
        ),
    )
    RECOVERY_GAINED = (
        "recovery_gained",
        Definition(Unit.F1, Origin.RECOVERY, "sum of F1 less that of the first champion kept", pooling=Pooling.NONE),
    )
    RECOVERY_ATTAINABLE = (
        "recovery_attainable",
        Definition(
            *(Unit.F1, Origin.RECOVERY, "sum of F1 of fresh models less that of the first champion kept"),
            pooling=Pooling.NONE,
        ),
    )
    RECOVERY_DAYS = (
        "recovery_days",
        Definition(
            *(Unit.DAYS, Origin.RECOVERY, "onset to 90 % of a clear loss regained, held for two steps"),
            pooling=Pooling.RESTRICTED_MEAN,
            higher_is_better=False,
        ),
    )
    DAYS_AFTER_ONSET = (
        "days_after_onset",
        Definition(
            *(Unit.DAYS, Origin.RECOVERY, "onset to the end, at which every time is censored"),
            pooling=Pooling.NONE,
        ),
    )
    F1_RECOVERY = (
        "f1_recovery",
        Definition(
            *(
                Unit.RATIO,
                Origin.RECOVERY,
                "recovery_gained / recovery_attainable: 0 is never, 1 no delay at all",
            ),
            pooling=Pooling.RATIO_OF_SUMS,
            higher_is_better=True,
        ),
    )
    RETRAINS = ("retrains", Definition(Unit.COUNT, Origin.RECORD, "retrainings asked for after the first model"))
    PROMOTIONS = ("promotions", Definition(Unit.COUNT, Origin.RECORD, "retrained models that began to serve"))
    REJECTIONS = ("rejections", Definition(Unit.COUNT, Origin.RECORD, "retrained models that the gates stopped"))
    RECALIBRATIONS = ("recalibrations", Definition(Unit.COUNT, Origin.RECORD, "recalibrations asked for"))
    ROLLBACKS = ("rollbacks", Definition(Unit.COUNT, Origin.RECORD, "returns to the champion before"))
    QUARANTINES = ("quarantines", Definition(Unit.COUNT, Origin.RECORD, "batches set apart"))
    FALSE_RETRAINS_ALARM = (
        "false_retrains_alarm",
        Definition(
            *(Unit.COUNT, Origin.RECORD, "retrainings without drift that a monitoring clause asked for"),
            higher_is_better=False,
        ),
    )
    FALSE_RETRAINS_SCHEDULED = (
        "false_retrains_scheduled",
        Definition(
            *(Unit.COUNT, Origin.RECORD, "retrainings without drift that age or calendar asked for"),
            higher_is_better=False,
        ),
    )
    FALSE_ALARMS_PER_YEAR = (
        "false_alarms_per_year",
        Definition(
            *(Unit.PER_YEAR, Origin.RECORD, "false_retrains_alarm for each year without drift"),
            higher_is_better=False,
        ),
    )
    STALENESS_DAYS = (
        "staleness_days",
        Definition(
            *(Unit.DAYS, Origin.RECORD, "mean age of the champion's newest training label"),
            higher_is_better=False,
        ),
    )
    NET_VALUE = (
        "net_value",
        Definition(
            *(Unit.MONEY, Origin.RECORD, "expected value saved less offers and retrainings, against no offers"),
            higher_is_better=True,
            is_paired=True,
        ),
    )
    NET_VALUE_REALISED = (
        "net_value_realised",
        Definition(
            *(Unit.MONEY, Origin.RECORD, "the same, as the draws made it"),
            higher_is_better=True,
            follows_prices=False,
        ),
    )
    ROI_REALISED = (
        "roi_realised",
        Definition(
            *(Unit.RATIO, Origin.RECORD, "(value saved - offer cost) / offer cost, from the outcomes"),
            higher_is_better=True,
            follows_prices=False,
        ),
    )
    ROI_ESTIMATED = (
        "roi_estimated",
        Definition(
            *(Unit.RATIO, Origin.HELD_OUT, "what the held-out customers tell the company of the same"),
            higher_is_better=True,
            follows_prices=False,
        ),
    )
    ROI_ESTIMATED_LOW = (
        "roi_estimated_low",
        Definition(
            *(Unit.RATIO, Origin.HELD_OUT, "lower end of its 95 % interval"),
            pooling=Pooling.NONE,
            follows_prices=False,
        ),
    )
    ROI_ESTIMATED_HIGH = (
        "roi_estimated_high",
        Definition(
            *(Unit.RATIO, Origin.HELD_OUT, "upper end of its 95 % interval"),
            pooling=Pooling.NONE,
            follows_prices=False,
        ),
    )
    ROI_PROPOSAL = (
        "roi_proposal",
        Definition(Unit.RATIO, Origin.RECORD, "the usual formula, which takes everybody at high risk for a churner"),
    )
    REGRET = (
        "regret",
        Definition(
            *(Unit.MONEY, Origin.ORACLE, "net value of the best schedule in hindsight less net_value"),
            higher_is_better=False,
            follows_prices=False,
        ),
    )
    REGRET_TIMING = (
        "regret_timing",
        Definition(
            *(
                Unit.MONEY,
                Origin.ORACLE,
                "of the regret: what the best moments, with the same training, would add",
            ),
            higher_is_better=False,
            follows_prices=False,
        ),
    )
    REGRET_DATA = (
        "regret_data",
        Definition(
            *(
                Unit.MONEY,
                Origin.ORACLE,
                "of the regret: what the best training profiles would add to that",
            ),
            higher_is_better=False,
            follows_prices=False,
        ),
    )
    NEEDLESS_RETRAINS = (
        "needless_retrains",
        Definition(
            *(Unit.COUNT, Origin.NEEDLESS, "retrainings whose removal raises the net value"),
            higher_is_better=False,
            follows_prices=False,
        ),
    )
    NEEDLESS_COST = (
        "needless_cost",
        Definition(
            *(Unit.MONEY, Origin.NEEDLESS, "how much their removal raises it in all"),
            higher_is_better=False,
            follows_prices=False,
        ),
    )
    BRIER = (
        "brier",
        Definition(Unit.SHARE, Origin.RECORD, "mean squared error of what was served", higher_is_better=False),
    )
    EXPECTED_CALIBRATION_ERROR = (
        "expected_calibration_error",
        Definition(
            *(Unit.SHARE, Origin.RECORD, "mean gap of probability and propensity over ten bins"),
            higher_is_better=False,
        ),
    )
    BREAK_EVEN_RETRAIN_COST = (
        "break_even_retrain_cost",
        Definition(
            *(Unit.MONEY, Origin.BASELINE, "cost of a retraining at which it is worth as much as the baseline"),
            follows_prices=False,
        ),
    )
    PRICE_OF_GATES = (
        "price_of_gates",
        Definition(
            *(Unit.MONEY, Origin.CONSTRAINTS, "what the oracle gains without gates"),
            follows_prices=False,
        ),
    )
    PRICE_OF_APPROVAL_TIME = (
        "price_of_approval_time",
        Definition(
            *(Unit.MONEY, Origin.CONSTRAINTS, "what it gains on top without approval time"),
            follows_prices=False,
        ),
    )
    PRICE_OF_TRAINING_TIME = (
        "price_of_training_time",
        Definition(
            *(Unit.MONEY, Origin.CONSTRAINTS, "what it gains on top without training time"),
            follows_prices=False,
        ),
    )
    PRICE_OF_LABEL_DELAY = (
        "price_of_label_delay",
        Definition(
            *(Unit.MONEY, Origin.CONSTRAINTS, "what it gains on top with labels at once"),
            follows_prices=False,
        ),
    )
    RESPONSE_LABEL_WAIT_DAYS = (
        "response_label_wait_days",
        Definition(
            *(Unit.DAYS, Origin.RESPONSE, "detection to a request mostly of rows from after the onset"),
            pooling=Pooling.MEAN_WHERE_ENDED,
        ),
    )
    RESPONSE_TRAINING_DAYS = (
        "response_training_days",
        Definition(
            *(Unit.DAYS, Origin.RESPONSE, "from there to the end of its training"),
            pooling=Pooling.MEAN_WHERE_ENDED,
        ),
    )
    RESPONSE_VALIDATION_DAYS = (
        "response_validation_days",
        Definition(
            *(Unit.DAYS, Origin.RESPONSE, "from there to the gates that the first such model passes"),
            pooling=Pooling.MEAN_WHERE_ENDED,
        ),
    )
    RESPONSE_APPROVAL_DAYS = (
        "response_approval_days",
        Definition(
            *(Unit.DAYS, Origin.RESPONSE, "from there to serving"),
            pooling=Pooling.MEAN_WHERE_ENDED,
        ),
    )


RANKED_BY = Score.NET_VALUE
"""The score that decides the ranks of a board."""
