"""The judged run: what a live run's record can't tell by itself, found by replaying its world, and put beside it."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from policies.spec import policies_from_toml
from sim.errors import InputError
from sim.mlops.gates.profiles import GateProfile, load_profile
from sim.mlops.models.profiles import TrainingProfile, load_training
from sim.mlops.records.record import Record
from sim.study.comparison.cells import Bench, bench_of, judged, without_drift
from sim.study.comparison.results import Judgement, ScoreValue
from sim.study.replay.replay import Replay, check_replayable
from sim.study.replay.schedule import Schedule
from sim.study.run_folder import RECORD_FILE, read_record, to_json
from sim.study.scores.recovery import share_of_life
from sim.study.scores.regret import learnt_from
from sim.study.scores.table import Origin, Score
from sim.whole_file import write_whole
from sim.world.population_spec import PopulationSpec
from sim.world.world import World

_ADDED = (Origin.RECOVERY, Origin.RESPONSE, Origin.ORACLE, Origin.BASELINE, Origin.CONSTRAINTS, Origin.NEEDLESS)
"""Where scores come from that a record alone can't tell."""


@dataclass(frozen=True, slots=True)
class JudgedRun:
    """What is to be said of a run once its world was replayed.

    `scores` are those that a record alone can't tell, and the days of detection and response, which need the world
    without the drift to be right; one that can't be known is `None`. `f1_recovery` is the ratio of this one life;
    `f1_recovery_missing` and `regret_missing` say why there is none.
    """

    scores: Mapping[Score, ScoreValue | None]
    f1_recovery: float | None
    f1_recovery_missing: str | None
    regret_missing: str | None

    def to_json(self) -> dict[str, Any]:
        """Return it as plain values, by the names that scores have everywhere."""
        return {
            "f1_recovery": self.f1_recovery,
            "f1_recovery_missing": self.f1_recovery_missing,
            **{score.value: value for score, value in self.scores.items()},
            "regret_missing": self.regret_missing,
        }


def judge_run(folder: Path, gates: str = "", training: str = "", *, with_split: bool = False) -> JudgedRun:
    """Replay the world of a finished run, judge the run in it, and add what was found to its `record.json`.

    Parameters
    ----------
    folder
        The folder of the run.
    gates, training
        The TOML files of its gate and training profile, where they are none of the catalogue.
    with_split
        Whether the oracle is planned without each constraint, too.

    Raises
    ------
    InputError
        If the folder holds no finished run, its population can't be had or is another by now, a profile is not at
        hand, or this version would have led another life.
    """
    record = read_record(folder)
    profile = load_profile(gates or record.gates)
    own = load_training(training or record.training)
    for name, given in ((record.gates, profile.name), (record.training, own.name)):
        if name != given:
            raise InputError(f"the run must be judged with its own profile {name}, got {given}; give the file of it.")
    check_replayable(profile)
    replay = Replay(_world(record), record.trials)
    undrifted = without_drift(replay)
    _check_same(record, replay, profile, own, folder)
    bench = bench_of(replay, profile, _oracle_trainings(record, own), with_split=with_split, undrifted=undrifted)
    judgement = judged(record, bench, bench.never, with_needless=True, undrifted=_calm(record, bench, profile, own))
    found = _judged_run(judgement, bench)
    _add(record, found, folder)
    return found


def _world(record: Record) -> World:
    """Return the world of a record, with the population that it was played with."""
    spec = PopulationSpec.of_arguments(record.measured.get("population_arguments", ()))
    population, _ = spec.load(record.scenario)
    played = record.measured.get("data_version", {}).get("population")
    if played != population.version:
        msg = (
            f"a run must be judged with the table that it was played with ({played}), but {population.name} is "
            f"another by now ({population.version}); put the old one back."
        )
        raise InputError(msg)
    return World(record.scenario, record.seed, population, kept_steps=None)


def _check_same(record: Record, replay: Replay, profile: GateProfile, own: TrainingProfile, folder: Path) -> None:
    """Raise `InputError` unless what was decided leads to the same life again."""
    actions = {row.step: row.decision.action for row in record.steps}
    again = replay.record(Schedule(actions, "as it was", learnt_from(record)), profile, record.policy, training=own)
    for was, now in zip(record.steps, again.steps, strict=True):
        if (was.tally, was.version) != (now.tally, now.version):
            msg = (
                f"{folder} must hold a life that this version leads again, but step {was.step} comes out another; "
                f"judge it with the version that played it ({record.measured.get('git_revision') or 'unknown'})."
            )
            raise InputError(msg)


def _oracle_trainings(record: Record, own: TrainingProfile) -> tuple[TrainingProfile, ...]:
    """Return the training profiles that the oracle chooses among: all that the run learnt by."""
    named = sorted(set(learnt_from(record).values()) - {own.name})
    return own, *(load_training(name) for name in named)


def _calm(record: Record, bench: Bench, profile: GateProfile, own: TrainingProfile) -> Record | None:
    """Return the record of the run's policy in the world without the drift; `None` where there is none to be had.

    A class of one's own is not in a run's folder.
    """
    if bench.undrifted is None:
        return None
    try:
        (policy,) = policies_from_toml(record.policy_toml, "the policy of the run").values()
    except InputError:
        return None
    return bench.undrifted.record(policy.build(), profile, record.policy, training=own)


def _judged_run(judgement: Judgement, bench: Bench) -> JudgedRun:
    scores = {
        score: value
        for score, value in judgement.scores.items()
        if score.source in _ADDED or score is Score.DETECTION_DAYS
    }
    gained, attainable = (judgement.scores.get(name) for name in (Score.RECOVERY_GAINED, Score.RECOVERY_ATTAINABLE))
    share: float | None = None
    missing: str | None = "nothing drifts"
    if gained is not None and attainable is not None:
        share = share_of_life(gained, attainable, bench.noise, bench.fresh)
        missing = "what could be recovered is within noise" if share is None else None
    return JudgedRun(scores, share, missing, judgement.regret_missing)


def _add(record: Record, found: JudgedRun, folder: Path) -> None:
    """Write the record again with what was found in its summary."""
    content = to_json(record)
    content["summary"] |= found.to_json()
    write_whole(folder / RECORD_FILE, json.dumps(content, indent=1, allow_nan=False))
