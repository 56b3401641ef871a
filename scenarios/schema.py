"""The strict schema of a scenario file."""

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(ge=0, le=1)]
PositiveCount = Annotated[int, Field(ge=1)]
Count = Annotated[int, Field(ge=0)]
Days = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    """A frozen part of a scenario that refuses unknown keys and wrong types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


class Time(_Part):
    """How long the world lasts. `steps` counts scored steps; the warm-up comes before step 0 and is not scored."""

    steps: PositiveCount = 36
    step_days: PositiveCount = 30
    warmup_steps: PositiveCount = 6
    customers: PositiveCount = 1000


class Labels(_Part):
    """When the truth arrives: `delay_days` after scoring; a cohort is label-complete after `horizon_days`."""

    delay_days: Days = 90
    horizon_days: Days = 90

    @model_validator(mode="after")
    def _horizon_covers_delay(self) -> Self:
        if self.delay_days > self.horizon_days:
            msg = (
                f"labels.delay_days must be at most labels.horizon_days, got {self.delay_days} > "
                f"{self.horizon_days}; raise horizon_days or no cohort ever has labels"
            )
            raise ValueError(msg)
        return self


class Jobs(_Part):
    """How long a retraining takes, in simulated days."""

    train_days: Days = 0
    approval_days: Days = 0


class Training(_Part):
    """Which rows a retraining sees: the newest complete cohorts and a share of older ones."""

    recent_cohorts: PositiveCount = 3
    recent_share: Annotated[float, Field(gt=0, le=1)] = 0.7
    gate_window_steps: PositiveCount = 3


class Offers(_Part):
    """Who gets a retention offer, and whether the labels show its effect."""

    rule: Literal["top", "high_risk"] = "top"
    capacity: Share = 0.10
    held_out_share: Share = 0.05
    seen_in_labels: bool = False


class Prices(_Part):
    """What a saved customer, an offer and a retraining are worth, in one currency."""

    customer_value: Annotated[float, Field(ge=0)] = 2000.0
    offer_cost: Annotated[float, Field(gt=0)] = 50.0
    success_rate: Share = 0.30
    retrain_cost: Annotated[float, Field(ge=0)] = 1000.0


class Recipe(_Part):
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


class _Injector(_Part):
    """When a drift acts. Its intensity is 0 before `onset_step` and 1 at full strength.

    `sudden` is full from the onset on; `ramp` grows evenly and is full `duration_steps` after the onset; `blip` is
    full for `duration_steps` and then gone.
    """

    onset_step: Count
    profile: Literal["sudden", "ramp", "blip"] = "sudden"
    duration_steps: PositiveCount = 1
    strength: Share = 1.0

    def intensity(self, step: int) -> float:
        """Return how much of the drift acts at `step`, from 0 to `strength`."""
        elapsed = step - self.onset_step
        if elapsed < 0 or (self.profile == "blip" and elapsed >= self.duration_steps):
            return 0.0
        if self.profile == "ramp":
            return self.strength * min(1.0, (elapsed + 1) / self.duration_steps)
        return self.strength


class NumberDrift(_Injector):
    """A numeric feature is multiplied by up to `factor`; what depends on it follows."""

    kind: Literal["number"]
    column: str
    factor: Annotated[float, Field(gt=0)]


class CategoryDrift(_Injector):
    """Up to `share` of the customers in other categories of `column` move to the category `to`."""

    kind: Literal["category"]
    column: str
    to: str
    share: Share


class ConceptDrift(_Injector):
    """Named coefficients of the outcome mechanism move by up to `shifts`; the base rate is held or follows."""

    kind: Literal["concept"]
    shifts: dict[str, float] = Field(min_length=1)
    hold_base_rate: bool = True


Drift = Annotated[NumberDrift | CategoryDrift | ConceptDrift, Field(discriminator="kind")]


class Scenario(_Part):
    """A frozen description of a world: time, drift, labels, offers and prices. One TOML file."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$")]
    version: PositiveCount = 1
    title: str
    story: str = ""
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
    def onset_step(self) -> int | None:
        """The step at which the first injector begins, `None` in a world without drift."""
        return min((injector.onset_step for injector in self.drift), default=None)

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
