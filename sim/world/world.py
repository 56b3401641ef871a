"""The world: a scenario opened with a seed. Yields one batch a step and knows the truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scenarios.schema import CategoryDrift, Scenario
from sim.world.drift import check_drift, drifted_features, drifted_mechanism
from sim.world.mechanism import Mechanism
from sim.world.population import Draw, Population
from sim.world.schema import Matrix, Schema
from sim.world.streams import Streams

HOLDOUT_SHARE = 0.20


@dataclass(frozen=True, slots=True)
class Batch:
    """What production sees of the customers of one step, sorted by `customer_id`.

    `scored_at` is the day; `features` the encoded matrix as seen; `holdout` marks the customers who are never
    trained on; `held_out` those who never get an offer.
    """

    step: int
    scored_at: int
    customer_id: NDArray[np.str_]
    features: Matrix
    holdout: NDArray[np.bool_]
    held_out: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Truth:
    """What only the judge may know of one batch, in the order of its customers.

    `propensity` is P(churn) on that day; `churns` what happens without an offer. `persuasion` is uniform: an offer
    saves a churner whose number is below the success rate, which `persuadable` says at the scenario's rate.
    """

    propensity: Matrix
    churns: NDArray[np.bool_]
    persuasion: Matrix
    persuadable: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class LabelEvents:
    """News of outcomes: each belongs to the prediction (`customer_id`, `scored_at`) and comes on `arrives_at`."""

    step: int
    scored_at: int
    customer_id: NDArray[np.str_]
    label: NDArray[np.bool_]
    arrives_at: NDArray[np.int64]


class World:
    """One seed's life of a scenario; every batch is a function of scenario, seed and step alone.

    Parameters
    ----------
    scenario
        What happens.
    seed
        Which of its lives.
    population
        Where the customers come from.
    kept_steps
        How many steps are kept in memory; `None` keeps all.

    Raises
    ------
    InputError
        If the scenario names columns or categories that the population lacks, or batches it cannot fill.
    """

    def __init__(self, scenario: Scenario, seed: int, population: Population, kept_steps: int | None = 4) -> None:
        check_drift(scenario.drift, population.schema, population.mechanism)
        self.scenario = scenario
        self.seed = seed
        self.population = population
        self.streams = Streams(seed)
        self._timeline = population.timeline(self.streams, self._sizes())
        self._hash_key = f"{seed:016d}"[-16:]
        self._reference = lru_cache(maxsize=1)(population.reference)
        self._mechanism = lru_cache(maxsize=None)(self._mechanism_at)
        self._customers = lru_cache(maxsize=kept_steps)(self._draw)
        self.batch = lru_cache(maxsize=kept_steps)(self._batch)
        self.truth = lru_cache(maxsize=kept_steps)(self._truth)

    @property
    def schema(self) -> Schema:
        """The features of the customers."""
        return self.population.schema

    @property
    def warmup(self) -> range:
        """The unscored steps before step 0."""
        return range(-self.scenario.time.warmup_steps, 0)

    @property
    def steps(self) -> range:
        """The scored steps."""
        return range(self.scenario.time.steps)

    def day(self, step: int) -> int:
        """Return the day on which `step` is scored; step 0 is day 0."""
        return step * self.scenario.time.step_days

    def mechanism(self, step: int) -> Mechanism:
        """Return the outcome mechanism at `step`."""
        return self._mechanism(tuple(injector.intensity(step) for injector in self.scenario.drift))

    def labels(self, step: int, offered: NDArray[np.bool_]) -> LabelEvents:
        """Settle the outcomes of a batch and return the news of them; warm-up labels arrive by day 0.

        Where `offers.seen_in_labels` is set, a saved customer is labelled a stayer, as in real life.
        """
        batch, truth = self.batch(step), self.truth(step)
        label = truth.churns
        if self.scenario.offers.seen_in_labels:
            label = label & ~(offered & truth.persuadable)
        arrives = batch.scored_at + self.scenario.labels.delay_days if step >= 0 else 0
        arrives_at = np.full(len(label), arrives, dtype=np.int64)
        return LabelEvents(step, batch.scored_at, batch.customer_id, label, arrives_at)

    def _mechanism_at(self, intensities: tuple[float, ...]) -> Mechanism:
        if not any(intensities):
            return self.population.mechanism
        return drifted_mechanism(self.scenario.drift, intensities, self.population.mechanism, self._reference())

    def _sizes(self) -> Sequence[int]:
        time = self.scenario.time
        return [time.customers] * (time.warmup_steps + time.steps)

    def _draw(self, step: int) -> tuple[Draw, Matrix]:
        """Return the customers of a step and their features under the drift of that day."""
        draw = self._timeline.draw(step + self.scenario.time.warmup_steps)

        def uniform(injector: CategoryDrift) -> Matrix:
            name = f"drift {injector.column}={injector.to}"
            return self.streams.generator(name, injector.onset_step, step).random(len(draw.customer_id))

        return draw, drifted_features(self.schema, self.scenario.drift, step, draw.features, uniform)

    def _batch(self, step: int) -> Batch:
        draw, features = self._customers(step)
        held_out = self.streams.generator("held_out", step).random(len(draw.customer_id))
        return Batch(
            step=step,
            scored_at=self.day(step),
            customer_id=draw.customer_id,
            features=features,
            holdout=self._holdout(draw.customer_id),
            held_out=held_out < self.scenario.offers.held_out_share,
        )

    def _truth(self, step: int) -> Truth:
        draw, features = self._customers(step)
        n_rows = len(draw.customer_id)
        uniform = self.streams.generator("outcomes", step).random(n_rows)
        undrifted = self.population.mechanism.propensity(draw.features)
        uniform = _coupled(uniform, undrifted, draw.has_real_label, draw.real_label)
        propensity = self.mechanism(step).propensity(features)
        persuasion = self.streams.generator("persuasion", step).random(n_rows)
        persuadable = persuasion < self.scenario.prices.success_rate
        return Truth(propensity, uniform < propensity, persuasion, persuadable)

    def fresh_rows(self, step: int, n_rows: int, draw: int) -> tuple[Matrix, NDArray[np.bool_]]:
        """Return features and outcomes of customers like those of a step, but never those of its batch.

        They are drawn from the population, under the covariates and the mechanism of that step, by a stream of their
        own for each number `draw`. No offer reaches them.
        """
        rng = self.streams.generator("fresh", step, draw)
        undrifted = self.population.sample(rng, n_rows, self.batch(step).customer_id)
        features = drifted_features(self.schema, self.scenario.drift, step, undrifted, lambda _: rng.random(n_rows))
        return features, rng.random(n_rows) < self.mechanism(step).propensity(features)

    def _holdout(self, customer_id: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Put a customer into the holdout by a hash of seed and id, so that the role is kept on every replay."""
        hashes = pd.util.hash_array(customer_id.astype(object), hash_key=self._hash_key, categorize=False)
        return np.asarray(hashes / 2.0**64 < HOLDOUT_SHARE)


def _coupled(
    uniform: Matrix, propensity: Matrix, has_real_label: NDArray[np.bool_], real_label: NDArray[np.bool_]
) -> Matrix:
    """Return each customer's U: conditional on the real label on the first pass, else as drawn.

    With V uniform and p the undrifted propensity, U = p V for a churner and p + (1 - p) V for a stayer. Averaged
    over real labels that follow p, U is uniform, and U < p gives back the label itself.
    """
    below = propensity * uniform
    above = propensity + (1 - propensity) * uniform
    return np.where(has_real_label, np.where(real_label, below, above), uniform)
