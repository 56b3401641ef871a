"""Whatever retrainings learn from, the run on MLflow, the life in memory, replay, herd and surface are one life.

In a world where offers show in the labels and a feed breaks, so that batches are set apart.
"""

import random
from dataclasses import replace

import pytest
from lives import TWIN, live, small
from runs import settings_of
from test_lives import DRIFT, bare, searched, settings

from policies.catalogue import load_policy
from policies.decision import Action
from scenarios.injectors import NullFault
from scenarios.schema import Offers, Scenario, Training
from sim.mlops.gates.profiles import load_profile
from sim.mlops.live.run import run_live
from sim.mlops.models.profiles import load_training, training_profiles
from sim.study.lives.box import holds
from sim.study.lives.continuum import regions
from sim.study.lives.forks import follow
from sim.study.lives.herd import Herd
from sim.study.lives.template import read_template
from sim.study.replay.replay import Replay
from sim.world.world import World

BROKEN_FEED = NullFault(
    kind="nulls", columns=("tenure", "Contract"), share=0.6, onset_step=3, profile="blip", duration_steps=2
)
CONTAMINATED = small(
    10,
    drift=(*DRIFT, BROKEN_FEED),
    delay_days=30,
    offers=Offers(seen_in_labels=True, capacity=0.3, held_out_share=0.2, learn_from="weighted"),
)
POLICIES = ("guarded", "ladder", "every(days=60)", "always")
GATES = load_profile("none")


def world(training: str) -> Scenario:
    return CONTAMINATED.model_copy(update={"training": Training(profile=training)})


def opened(training: str) -> Replay:
    return Replay(World(world(training), 1, TWIN, kept_steps=None))


@pytest.mark.parametrize("training", training_profiles())
def test_memory_replay_and_herd_lead_one_life(training):
    herd = follow(opened(training), GATES, Herd({name: load_policy(name).build() for name in POLICIES}))
    lives = {name: lived.record for lived in herd for name in lived.crowd.names}
    acted = set()
    for name in POLICIES:
        memory = live(world(training), load_policy(name).build(), profile="none").record
        replayed = opened(training).record(load_policy(name).build(), GATES, "tested")
        assert replace(replayed, training=memory.training) == memory
        assert bare(replayed) == bare(lives[name])
        acted |= {row.decision.action for row in memory.steps}
    assert {Action.QUARANTINE, Action.RETRAIN} <= acted
    assert lives["always"].retrainings


@pytest.mark.parametrize("training", training_profiles())
def test_settings_of_a_surface_lead_the_lives_of_their_replays(training):
    replay, template = opened(training), read_template("f1_drop > {a} or psi_max >= {b}")
    box = searched(template)
    found = regions(replay, GATES, template, box)
    assert len(found) > 1
    points = settings(template, box, found, random.Random(training))
    for point in (next(points) for _ in range(8)):
        (own,) = [region for region in found if any(holds(part, point) for part in region.boxes)]
        policy = template.fill(dict(zip(template.names, point, strict=True))).build()
        assert bare(opened(training).record(policy, GATES, "single")) == bare(own.record), point


@pytest.mark.slow
@pytest.mark.parametrize("training", training_profiles())
def test_the_run_on_mlflow_is_the_replay(tmp_path, training):
    for name in ("guarded", "always"):
        settings = replace(
            settings_of(tmp_path / name, CONTAMINATED, name), training=load_training(training), tracking_uri=""
        )
        record = run_live(settings, resume=False)
        replayed = opened(training).record(load_policy(name).build(), GATES, name)
        assert record.steps == replayed.steps
        assert record.training == replayed.training == training
