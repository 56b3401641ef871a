"""Inference logs for tests: what a model of a simulated world served, written as teams write theirs."""

from pathlib import Path

import numpy as np
import pandas as pd

from policies.never import Never
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.business import choose_offers
from sim.mlops.records.record import Record
from sim.study.replay.replay import Replay
from sim.world.population import Population
from sim.world.world import World

START = np.datetime64("2021-01-01")
MONTH_DAYS = 30


def day_of(scenario: Scenario, place: int) -> str:
    """Return the first day of a step of a log, counted from the first of the warm-up; 30 days are a month."""
    step_days = scenario.time.step_days
    day = START.astype("M8[M]") + place if step_days == MONTH_DAYS else START + place * step_days
    return str(day.astype("M8[D]"))


def simulated(scenario: Scenario, population: Population, seed: int = 1) -> tuple[Record, pd.DataFrame]:
    """Return the record of a first champion that is kept, and the log of all that it served and what became of it.

    A label's date lies in the step in which the world's day of its arrival falls; the warm-up is scored too, as the
    test set of a model is.
    """
    world = World(scenario, seed, population, kept_steps=None)
    replay = Replay(world)
    record = replay.record(Never(), load_profile("none"), "never")
    model = replay.beginning.model
    parts = []
    for step in (*world.warmup, *world.steps):
        batch = world.batch(step)
        scores = model.probability(batch.features)
        offered = choose_offers(scenario.offers, scores, batch.held_out)
        events = world.labels(step, offered & (step >= 0)).newest()
        label, came = np.full(len(scores), np.nan), np.full(len(scores), np.nan)
        label[events.row], came[events.row] = events.label, events.arrives_at
        place = step + scenario.time.warmup_steps
        arrival = np.ceil(np.nan_to_num(came) / scenario.time.step_days) + scenario.time.warmup_steps
        frame = world.schema.decode(batch.features)
        for name in frame.select_dtypes("category").columns:
            frame[name] = frame[name].astype(object).where(frame[name] != "unseen", "something new")
        parts.append(
            frame.assign(
                customer=batch.customer_id,
                day=day_of(scenario, place),
                score=scores,
                decision=model.decide(scores).astype(int),
                outcome=pd.array(label, dtype="Int64"),
                outcome_day=[
                    "" if np.isnan(each) else day_of(scenario, int(max(there, place)))
                    for each, there in zip(came, arrival, strict=True)
                ],
                phase="reference" if step < 0 else "analysis",
            )
        )
    return record, pd.concat(parts, ignore_index=True)


def written(frame: pd.DataFrame, path: Path) -> Path:
    """Write a log as the kind of file that its name says."""
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False)
    else:
        frame.to_csv(path, index=False)
    return path
