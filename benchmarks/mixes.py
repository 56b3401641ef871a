"""Look for a mix of customers that a retraining mends: `python benchmarks/mixes.py [SEEDS]`.

Each mix tilts one term of the real table as far as the table can follow. Told are the expected F1 of the first
champion and of a fresh model, and the share of churners that each finds in its highest tenth, which is what offers
live on, as means over seeds.
"""

import sys
from statistics import fmean

import numpy as np

from scenarios.files import load_scenario
from scenarios.injectors import MixDrift
from sim.mlops.models.model import Model
from sim.mlops.statistics.metrics import expected_f1
from sim.study.replay.replay import Replay
from sim.study.scores.fresh import TRAINING_SEEDS, fresh_model
from sim.world.population import load_population
from sim.world.schema.columns import Matrix
from sim.world.world import GroundTruth, World

TILTS = {
    **{"InternetService=Fiber optic": (-3.0, 3.0), "InternetService=DSL": (3.0,), "InternetService=No": (3.0,)},
    **{"tenure/12": (-2.0, 1.0), "Contract=Month-to-month": (-3.0, 3.0), "Contract=Two year": (3.0,)},
    "SeniorCitizen=1": (4.0,),
}
ONSET, STEP = 12, 20
Scores = tuple[float, float]


def main(seeds: int) -> None:
    """Print a line for each mix."""
    for term, tilts in TILTS.items():
        for tilt in tilts:
            pairs = [scores(term, tilt, seed) for seed in range(1, seeds + 1)]
            stale, fresh = ([fmean(pair[who][part] for pair in pairs) for part in (0, 1)] for who in (0, 1))
            print(  # noqa: T201 - a script that prints
                f"{term} {tilt:+g}: F1 stale {stale[0]:.3f}, fresh {fresh[0]:.3f}; churners in the highest tenth "
                f"stale {stale[1]:.3f}, fresh {fresh[1]:.3f}",
                flush=True,
            )


def scores(term: str, tilt: float, seed: int) -> tuple[Scores, Scores]:
    """Return what the first champion and fresh models are worth under a mix."""
    drift = MixDrift(kind="mix", onset_step=ONSET, tilt={term: tilt})
    scenario = load_scenario("steady").model_copy(update={"drift": (drift,)})
    replay = Replay(World(scenario, seed, load_population("telco"), kept_steps=None))
    truth = replay.world.truth(STEP)
    fresh = [worth(fresh_model(replay, STEP, draw), truth) for draw in range(TRAINING_SEEDS)]
    return worth(replay.beginning.model, truth), (fmean(f1 for f1, _ in fresh), fmean(top for _, top in fresh))


def worth(model: Model, truth: GroundTruth) -> Scores:
    """Return a model's expected F1, and the mean propensity of its highest tenth."""
    probability: Matrix = model.probability(truth.features)
    highest = np.argsort(-probability, kind="stable")[: len(probability) // 10]
    return expected_f1(truth.propensity, model.decide(probability)) or 0.0, float(truth.propensity[highest].mean())


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 5)
