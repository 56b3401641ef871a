"""The strict schema of a scenario file."""

from math import log10
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from scenarios.injectors import Drift
from scenarios.part import Count, Days, Part, PositiveCount, Rate, Share

_MOST_CUSTOMERS_LOG10 = 7


class Time(Part):
    """How long the world lasts, and how many customers come.

    `steps` counts scored steps; the warm-up comes before step 0 and is not scored. A step has about `customers`:
    their number grows by `customers_growth` a year, evenly compounded, and varies at random by up to
    `customers_spread` of it in either direction.
    """

    steps: Annotated[int, Field(ge=1, le=100_000)] = 36
    step_days: Annotated[int, Field(ge=1, le=3660)] = 30
    warmup_steps: Annotated[int, Field(ge=1, le=10_000)] = 6
    customers: Annotated[int, Field(ge=1, le=10_000_000)] = 1000
    customers_spread: Annotated[float, Field(ge=0, lt=1)] = 0.0
    customers_growth: Annotated[float, Field(gt=-1, le=10)] = 0.0

    @model_validator(mode="after")
    def _growth_has_an_end(self) -> Self:
        years = self.steps * self.step_days / 365.25
        if log10(self.customers) + years * log10(1 + self.customers_growth) > _MOST_CUSTOMERS_LOG10:
            msg = (
                f"a step must stay below {10**_MOST_CUSTOMERS_LOG10:,} customers, but {self.customers} grow beyond "
                f"that in {years:.0f} years; lower customers_growth"
            )
            raise ValueError(msg)
        return self


class Labels(Part):
    """When the truth arrives, and which cohorts count; a cohort is label-complete after `horizon_days`.

    `delay` is `fixed`: every label arrives `delay_days` after scoring. `churners_early`: a churner's label arrives on
    any day up to the horizon, a stayer's at the horizon. `long_tailed`: delays are log-normal with the median
    `delay_days` and a standard deviation of the logarithm of `delay_spread`; some come after the horizon.

    A share of labels never arrives. Another share is wrong at first and corrected `correction_days` later. `cohorts`
    says which are used for performance signals, training and gates: label-complete ones, or (`naive`) every cohort
    with any label, which early on are mostly churners.
    """

    delay: Literal["fixed", "churners_early", "long_tailed"] = "fixed"
    delay_days: Days = 90
    delay_spread: Annotated[float, Field(ge=0, le=3)] = 0.75
    horizon_days: Days = 90
    never_share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    correction_share: Share = 0.0
    correction_days: PositiveCount = 60
    cohorts: Literal["complete", "naive"] = "complete"

    @model_validator(mode="after")
    def _horizon_covers_delay(self) -> Self:
        if self.delay != "churners_early" and self.delay_days > self.horizon_days:
            msg = (
                f"labels.delay_days must be at most labels.horizon_days, got {self.delay_days} > "
                f"{self.horizon_days}; raise horizon_days or no cohort ever has labels"
            )
            raise ValueError(msg)
        return self


class Jobs(Part):
    """How long a retraining takes, in simulated days."""

    train_days: Days = 0
    approval_days: Days = 0


class Training(Part):
    """What a retraining learns from: a training profile, and what it takes from the scenario where it leaves it out.

    `profile` is a name of `retrainlab training` or a TOML file. A profile that leaves its window and share out, as
    `mix_70_30` does, takes the newest `recent_cohorts` complete cohorts and a share of older rows. Of more than
    `max_rows` rows so many are drawn at random; without it all are used.
    """

    profile: Annotated[str, Field(min_length=1)] = "mix_70_30"
    recent_cohorts: PositiveCount = 3
    recent_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    gate_window_steps: PositiveCount = 3
    max_rows: Annotated[int, Field(ge=100)] | None = None


class Offers(Part):
    """Who gets a retention offer, whether the labels show its effect, and what is learnt from then.

    Training, gates and performance signals use (`learn_from`) the labels of `all` customers as they come; of the
    `held_out` customers alone, who never get an offer; or of all who got none, `weighted` by the inverse of the
    probability of getting none: a held-out customer whose score would have earned an offer counts 1 / held_out_share,
    rounded, and any other 1. Warm-up customers got no offers and always count.
    """

    rule: Literal["top", "high_risk"] = "top"
    capacity: Share = 0.10
    held_out_share: Share = 0.05
    seen_in_labels: bool = False
    learn_from: Literal["all", "held_out", "weighted"] = "all"

    @property
    def feed_back(self) -> bool:
        """Whether what was served changes what is learnt: the labels themselves, or which of them count."""
        return self.seen_in_labels or self.learn_from == "weighted"

    @model_validator(mode="after")
    def _somebody_is_held_out(self) -> Self:
        if self.learn_from != "all" and self.held_out_share == 0:
            msg = (
                f"offers.learn_from = {self.learn_from!r} needs held-out customers, got held_out_share = 0; raise it "
                f"or learn from 'all'"
            )
            raise ValueError(msg)
        if self.learn_from == "weighted" and abs(round(1 / self.held_out_share) * self.held_out_share - 1) > 0.02:
            msg = (
                f"offers.learn_from = 'weighted' needs a held_out_share of which 1 / share is a whole number, got "
                f"{self.held_out_share}; take 0.05, 0.1, 0.2, 0.25 or the like"
            )
            raise ValueError(msg)
        return self


class Twin(Part):
    """How the outcomes of the synthetic population differ from Telco's.

    `base_rate` is the share of churners (Telco's own if left out); `signal_strength` multiplies every log-odds of the
    mechanism but the intercept: 0 makes the outcome pure chance, above 1 it is easier to tell than Telco's.
    """

    base_rate: Rate | None = None
    signal_strength: Annotated[float, Field(ge=0, le=20)] = 1.0


class Prices(Part):
    """What a saved customer, an offer and a retraining are worth, in one currency.

    The currency is shown with amounts and changes none of them.
    """

    currency: Annotated[str, Field(pattern=r"^\S{1,8}$")] = "USD"
    customer_value: Annotated[float, Field(ge=0)] = 2000.0
    offer_cost: Annotated[float, Field(gt=0)] = 50.0
    success_rate: Share = 0.30
    retrain_cost: Annotated[float, Field(ge=0)] = 1000.0


class Recipe(Part):
    """How the model is made: LightGBM parameters, boosting rounds, the rule of its threshold, what a search seeks.

    The defaults were found by a search on the Telco table; a live run searches again unless told otherwise.
    """

    num_leaves: Annotated[int, Field(ge=2)] = 20
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 0.13
    feature_fraction: Annotated[float, Field(gt=0, le=1)] = 0.7
    bagging_fraction: Annotated[float, Field(gt=0, le=1)] = 0.8
    bagging_freq: Count = 1
    min_child_samples: PositiveCount = 20
    max_depth: int = 3
    lambda_l1: Annotated[float, Field(ge=0)] = 1.0
    lambda_l2: Annotated[float, Field(ge=0)] = 5.0
    rounds: PositiveCount = 50
    threshold_rule: Literal["half", "f1", "profit"] = "half"
    search_objective: Literal["log_loss", "f1"] = "log_loss"


class Scenario(Part):
    """A frozen description of a world: population, time, drift, labels, offers and prices. One TOML file.

    `population` is the one that it is played with unless another is asked for.
    """

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    version: PositiveCount = 1
    title: str
    story: str = ""
    population: Literal["telco", "twin"] = "telco"
    twin: Twin = Twin()
    time: Time = Time()
    labels: Labels = Labels()
    jobs: Jobs = Jobs()
    training: Training = Training()
    offers: Offers = Offers()
    prices: Prices = Prices()
    recipe: Recipe = Recipe()
    drift: tuple[Drift, ...] = ()

    @property
    def name(self) -> str:
        """The versioned id, such as `competitor@1`."""
        return f"{self.id}@{self.version}"

    @property
    def every_row_counts(self) -> bool:
        """Whether every row of a usable cohort has a label, and counts."""
        labels = self.labels
        is_punctual = labels.cohorts == "complete" and labels.delay != "long_tailed" and not labels.never_share
        return is_punctual and self.offers.learn_from == "all"

    @property
    def onset_step(self) -> int | None:
        """The step at which the first injector begins, `None` in a world without drift."""
        return min((injector.onset_step for injector in self.drift), default=None)

    @model_validator(mode="after")
    def _luck_is_not_shared(self) -> Self:
        """Two injectors that choose customers by lot on the same subject from the same step would choose the same."""
        lots = [(each.known_as(), each.subject, each.onset_step) for each in self.drift if each.draws_lots]
        for kind, subject, onset in lots:
            if lots.count((kind, subject, onset)) > 1:
                msg = (
                    f"drifts of one kind must not act by lot on the same from the same step, got two {kind!r} on "
                    f"{subject or 'rows'} from step {onset}; strengthen one, or let one begin at another step"
                )
                raise ValueError(msg)
        return self

    @model_validator(mode="after")
    def _onsets_come_before_the_end(self) -> Self:
        for injector in self.drift:
            if injector.onset_step >= self.time.steps:
                msg = (
                    f"a drift must begin before the end, got onset_step {injector.onset_step} in a world of "
                    f"{self.time.steps} steps; lower onset_step or raise time.steps"
                )
                raise ValueError(msg)
        return self
