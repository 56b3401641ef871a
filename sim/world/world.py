"""The world: a scenario opened with a seed. Yields one batch a step and knows the truth."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from scenarios.injectors import CovariateInjector, LabelFault, MixInjector, RowFault, ValueFault
from scenarios.schema import Scenario
from sim.world.injectors.covariates import Covariates
from sim.world.injectors.customers import Chance, Customers, join_customers, numbered
from sim.world.injectors.faults import ColumnFaults, RowFaults, misreported
from sim.world.injectors.mix import Mix
from sim.world.injectors.view import ColumnView
from sim.world.labels import LabelEvents, settled
from sim.world.population import Population
from sim.world.schema.columns import Matrix, Schema, row_blocks
from sim.world.schema.lots import lots
from sim.world.schema.streams import Streams
from sim.world.sizes import batch_size

HOLDOUT_SHARE = 0.20


@dataclass(frozen=True, slots=True)
class Batch:
    """What production sees of the customers of one step, sorted by `customer_id`; there may be none.

    `scored_at` is the day; `features` the encoded matrix as seen; `holdout` marks the customers who are never
    trained on; `held_out` those who never get an offer. `duplicates` counts delivered rows that repeat another one:
    the first of them is kept.
    """

    step: int
    scored_at: int
    customer_id: NDArray[np.str_]
    features: Matrix
    holdout: NDArray[np.bool_]
    held_out: NDArray[np.bool_]
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class GroundTruth:
    """What only the judge may know of one batch, in the order of its customers.

    `features` are the customers as they are, whatever is seen of them. `propensity` is P(churn) on that day, missing
    where a history has no outcome yet; `churns` what happens without an offer. `persuasion` is uniform: an offer
    saves a churner whose number is below the success rate, which `persuadable` says at the scenario's rate.
    """

    features: Matrix
    propensity: Matrix
    churns: NDArray[np.bool_]
    persuasion: Matrix
    persuadable: NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class FreshRows:
    """Customers like those of a step, with P(churn) on that day and what happens; n rows in no order."""

    features: Matrix
    propensity: Matrix
    churns: NDArray[np.bool_]


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
        How many steps are kept in memory; `None` keeps all. With 1, a step is forgotten before the next one is made.

    Raises
    ------
    InputError
        If the scenario names columns or categories that the population lacks, or batches it cannot fill, or drifts
        that it cannot have.
    """

    def __init__(self, scenario: Scenario, seed: int, population: Population, kept_steps: int | None = 4) -> None:
        self.scenario = scenario
        self.seed = seed
        self.population = population
        self.streams = Streams(seed)
        self.propensities = population.propensities(scenario)
        sizes = self._sizes()
        columns = ColumnView(self.schema, population.structure)
        self._mix = Mix(self._injectors(MixInjector), columns, population.reference)
        self._mix.check(self.steps, max(sizes), population.size)
        self._covariates = Covariates(self._injectors(CovariateInjector), columns)
        self._column_faults = ColumnFaults(self._injectors(ValueFault), columns)
        self._row_faults = RowFaults(self._injectors(RowFault))
        self._label_faults = self._injectors(LabelFault)
        self._timeline = population.timeline(self.streams, sizes)
        self._hash_key = f"{seed:016d}"[-16:]
        self._forgets = kept_steps == 1
        self._drawn = lru_cache(maxsize=kept_steps)(self._draw)
        self._delivered = lru_cache(maxsize=kept_steps)(self._deliver)
        self._drifted = lru_cache(maxsize=kept_steps)(self._drift)
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

    def labels(self, step: int, offered: NDArray[np.bool_]) -> LabelEvents:
        """Settle the outcomes of a batch and return the news of them; warm-up labels arrive by day 0.

        Where `offers.seen_in_labels` is set, a saved customer is labelled a stayer, as in real life.
        """
        batch, truth = self.batch(step), self.truth(step)
        label = truth.churns
        if step < 0:
            row = np.arange(len(label))
            return self._with_news(
                LabelEvents(step, batch.scored_at, batch.customer_id, row, label, np.zeros_like(row))
            )
        if self.scenario.offers.seen_in_labels:
            label = label & ~(offered & truth.persuadable)
        chance = self._chance(step, self._customers(step))
        reported = misreported(self._label_faults, step, label, chance)
        return self._with_news(
            settled(step, batch.scored_at, batch.customer_id, reported, self.scenario.labels, chance)
        )

    def known_schema(self, step: int) -> Schema:
        """Return the features with the categories that were seen up to a step: all of them, but in a history."""
        return self.population.known_schema(step + self.scenario.time.warmup_steps)

    def forget(self) -> None:
        """Let go of the step in memory where the world keeps one alone; it is made again when it is asked for."""
        if self._forgets:
            for known in (self._drawn, self._delivered, self._drifted, self.batch, self.truth):
                known.cache_clear()

    def _with_news(self, events: LabelEvents) -> LabelEvents:
        """Return the events of a history on their real days, without those whose outcome has not come yet."""
        if not self.population.is_recorded:
            return events
        drawn = self._timeline.draw(events.step + self.scenario.time.warmup_steps)
        if drawn.label_days is not None and events.step >= 0:
            events = replace(events, arrives_at=events.scored_at + drawn.label_days[events.row])
        return events.take(drawn.has_real_label[events.row])

    def fresh_rows(self, step: int, n_rows: int, draw: int) -> FreshRows:
        """Return customers like those of a step, but never those of its batch.

        They are drawn from the population, under the covariates and the mechanism of that step, by a stream of their
        own for each number `draw`. No offer and no fault reaches them.
        """
        rng = self.streams.generator("fresh", step, draw)
        without = self._not_fresh(step)
        undrifted = self.population.sample(rng, n_rows, without)

        def chance(name: str, *keys: int) -> Matrix:  # noqa: ARG001 - the one stream of these rows
            return rng.random(n_rows)

        mixed = self._mix.apply(
            step, _nameless(undrifted), chance, lambda n: _nameless(self.population.sample(rng, n, without)), rng
        )
        features = self._covariates.apply(step, mixed.features, chance)
        luck = rng.random(n_rows)
        propensity = self.propensities.propensity(step, mixed, features, chance)
        return FreshRows(features, propensity, luck < propensity)

    def _not_fresh(self, step: int) -> NDArray[np.str_]:
        """Return who must not be among fresh customers: the batch; with a mix, those it would have been without.

        A mix prefers some customers. To leave out whom it chose would leave too few of their kind among the fresh.
        """
        if self._mix.is_quiet:
            return self.batch(step).customer_id
        return self._timeline.draw(step + self.scenario.time.warmup_steps).customer_id

    def _injectors(self, layer: Any) -> tuple[Any, ...]:
        """Return the injectors of a layer, which is a class: abstract, so that there is no type for it."""
        return tuple(injector for injector in self.scenario.drift if isinstance(injector, layer))

    def _sizes(self) -> Sequence[int]:
        return [batch_size(self.scenario.time, step, self.streams) for step in (*self.warmup, *self.steps)]

    def _chance(self, step: int, customers: Customers) -> Chance:
        """Return what gives the customers of a step their random numbers, each by its slot."""
        n_slots = int(customers.slot.max(initial=-1)) + 1

        def chance(name: str, *keys: int) -> Matrix:
            return self.streams.generator(name, *keys, step).random(n_slots)[customers.slot]

        return chance

    def _draw(self, step: int) -> Customers:
        """Return who the customers of a step would be if all were scored in time."""
        self.forget()
        drawn = Customers.of(self._timeline.draw(step + self.scenario.time.warmup_steps))
        strangers = self.population.strangers(
            self.streams.generator("strangers", step), drawn.customer_id, f"S{step:05d}-"
        )
        luck = self.streams.generator("mix luck", step)
        return self._mix.apply(step, drawn, self._chance(step, drawn), strangers, luck)

    def _deliver(self, step: int) -> tuple[Customers, int]:
        """Return the customers who are scored at a step, and how many late ones were there already."""
        drawn = self._drawn(step)
        if self._row_faults.is_quiet:
            return drawn, 0
        here = drawn.take(self._delays(step) == 0)
        free_slot, repeated = len(drawn.slot), 0
        for late_steps in self._row_faults.sources:
            if step - late_steps not in self.steps:
                continue
            late = self._drawn(step - late_steps)
            late = late.take(self._delays(step - late_steps) == late_steps)
            late = replace(late, slot=free_slot + np.arange(len(late.slot)))
            free_slot += len(late.slot)
            is_new = ~np.isin(late.customer_id, here.customer_id)
            repeated += int(np.count_nonzero(~is_new))
            here = join_customers(here, late.take(is_new))
        return here, repeated

    def _delays(self, step: int) -> NDArray[np.int64]:
        drawn = self._drawn(step)
        return self._row_faults.delays(step, self._chance(step, drawn), len(drawn.slot))

    def _customers(self, step: int) -> Customers:
        return self._delivered(step)[0]

    def _drift(self, step: int) -> Matrix:
        """Return the features of the customers of a step under the drift of that day."""
        customers = self._customers(step)
        return self._covariates.apply(step, customers.features, self._chance(step, customers))

    def _batch(self, step: int) -> Batch:
        customers, repeated = self._delivered(step)
        chance = self._chance(step, customers)
        duplicates = self._row_faults.duplicates(step, chance, len(customers.slot))
        return Batch(
            step=step,
            scored_at=self.day(step),
            customer_id=customers.customer_id,
            features=self._column_faults.apply(step, self._drifted(step), chance),
            holdout=self._holdout(customers.customer_id),
            held_out=chance("held_out") < self.scenario.offers.held_out_share,
            duplicates=repeated + duplicates,
        )

    def _truth(self, step: int) -> GroundTruth:
        customers, features = self._customers(step), self._drifted(step)
        chance = self._chance(step, customers)
        luck = chance("outcomes")
        if customers.has_real_label.any():
            luck = _coupled(luck, self.propensities.undrifted(customers), customers)
        propensity = self.propensities.propensity(step, customers, features, chance)
        persuasion = chance("persuasion")
        persuadable = persuasion < self.scenario.prices.success_rate
        return GroundTruth(features, propensity, luck < propensity, persuasion, persuadable)

    def _holdout(self, customer_id: NDArray[np.str_]) -> NDArray[np.bool_]:
        """Put a customer into the holdout by a hash of seed and id, so that the role is kept on every replay."""
        holdout = np.empty(len(customer_id), dtype=np.bool_)
        for rows in row_blocks(len(customer_id)):
            holdout[rows] = lots(customer_id[rows], self._hash_key) < HOLDOUT_SHARE
        return holdout


def _nameless(features: Matrix) -> Customers:
    """Return customers without real labels, named by their place."""
    place = np.arange(len(features))
    nothing = np.zeros(len(features), dtype=np.bool_)
    return Customers(numbered("F", place, 8), features, nothing, nothing, place)


def _coupled(uniform: Matrix, propensity: Matrix, customers: Customers) -> Matrix:
    """Return each customer's U: conditional on the real label on the first pass, else as drawn.

    With V uniform and p the undrifted propensity, U = p V for a churner and p + (1 - p) V for a stayer. Averaged
    over real labels that follow p, U is uniform, and U < p gives back the label itself.
    """
    below = propensity * uniform
    above = propensity + (1 - propensity) * uniform
    return np.where(customers.has_real_label, np.where(customers.real_label, below, above), uniform)
