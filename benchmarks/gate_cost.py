"""Measure what gate profiles cost in recovery: `python benchmarks/gate_cost.py [SEEDS]`.

A policy that asks for a retraining whenever the observed F1 has dropped lives in the same worlds under each profile.
Told are the share of good challengers that were rejected (good: no worse than the champion in true F1 on the batch of
the gate's day), how much of what drift took came back, and how many days later than without gates. Played on the real
table; a recovery that never came counts as the end of the world.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

import numpy as np

from policies.catalogue import load_policy
from policies.never import Never
from scenarios.files import load_scenario
from scenarios.schema import Scenario
from sim.mlops.gates.profiles import GateProfile, load_profile
from sim.mlops.loop.life import play
from sim.mlops.records.jobs import FIRST_JOB, Job
from sim.mlops.records.record import Record, StepRow
from sim.mlops.statistics.metrics import expected_f1
from sim.study.inference.contests import Interval, mean_interval, paired_difference, ratio_interval
from sim.study.replay.replay import Replay, ReplayPlatform
from sim.study.scores.fresh import fresh_f1
from sim.study.scores.judge import expected_f1 as judged_f1
from sim.study.scores.recovery import recovery
from sim.world.population import load_population
from sim.world.world import World

HERE = Path(__file__).parent / "gates"
SCENARIOS = ("competitor", str(HERE / "slow_erosion.toml"))
PROFILES = ("none", "telco_churn", str(HERE / "recall_only.toml"), "non_inferiority", "do_no_harm")
POLICY = "f1_drop > 0.05"


@dataclass(frozen=True)
class Cost:
    """What one profile did in one world; `good` counts good challengers, `lost` those of them that were rejected."""

    good: int
    lost: int
    bad: int
    let_by: int
    holdout: float
    gained: float
    attainable: float
    days: int
    half_days: int


def main(seeds: int) -> None:
    """Print the figures of each profile, with 95 % intervals over seeds."""
    for name in SCENARIOS:
        scenario = load_scenario(name)
        worlds = [costs(scenario, seed) for seed in range(1, seeds + 1)]
        say(f"{scenario.name}, policy {POLICY}, {seeds} seeds")
        for position, profile in enumerate(PROFILES):
            tell(Path(profile).stem, [world[position] for world in worlds], [world[0] for world in worlds])


def costs(scenario: Scenario, seed: int) -> list[Cost]:
    """Return what each profile did in one world."""
    replay = Replay(World(scenario, seed, load_population("telco"), kept_steps=None))
    measured = {step: fresh_f1(replay, step) for step in replay.world.steps[scenario.onset_step :]}
    fresh = {step: f1 for step, f1 in measured.items() if f1 is not None}
    return [cost(replay, load_profile(name), fresh) for name in PROFILES]


def cost(replay: Replay, profile: GateProfile, fresh: dict[int, float]) -> Cost:
    """Play the policy under a profile and count."""
    life, policy, state = ReplayPlatform(replay, profile), load_policy(POLICY).build(), replay.state(profile)
    policy.deployed(FIRST_JOB)
    rows = tuple(play(life, policy, state))
    record = replay.record(load_policy(POLICY).build(), profile, POLICY)
    never = replay.record(Never(), profile, "never")
    found = recovery(record, never, fresh)
    assert found is not None
    met = [job for row in rows if (job := row.job_ended) and job.meeting and job.requested_step >= min(fresh)]
    good = [job for job in met if advantage(life, rows, job) >= 0]
    end = (replay.world.scenario.time.steps - min(fresh)) * replay.world.scenario.time.step_days
    return Cost(
        good=len(good),
        lost=sum(not passed(job) for job in good),
        bad=len(met) - len(good),
        let_by=sum(passed(job) for job in met if job not in good),
        holdout=fmean(job.meeting.challenger.rows for job in met if job.meeting) if met else 0.0,
        gained=found.gained,
        attainable=found.attainable,
        days=end if found.days is None else found.days,
        half_days=half_back(record, never, fresh, end),
    )


def half_back(record: Record, never: Record, fresh: dict[int, float], end: int) -> int:
    """Return the days from the onset until half of what could be had is back for good, or to the end."""
    short = []
    for step, attainable in fresh.items():
        had, kept = judged_f1(record.steps[step].tally), judged_f1(never.steps[step].tally)
        if had is not None and kept is not None and 2 * (had - kept) < attainable - kept:
            short.append(step)
    first = max(short) + 1 if short else min(fresh)
    return min((first - min(fresh)) * record.scenario.time.step_days, end)


def passed(job: Job) -> bool:
    """Whether a job passed its gates."""
    return job.meeting is not None and job.meeting.verdict.passed


def advantage(life: ReplayPlatform, rows: tuple[StepRow, ...], job: Job) -> float:
    """Return challenger's true F1 less champion's on the batch of the day of their gate."""
    assert job.meeting is not None
    step = job.meeting.step
    champion = rows[step - 1].version
    batch, truth = life.world.batch(step), life.world.truth(step)
    models = (life.model(version) for version in (job.version, champion))
    scores = [expected_f1(truth.propensity, model.decide(model.probability(batch.features))) for model in models]
    return (scores[0] or 0.0) - (scores[1] or 0.0)


def tell(name: str, found: list[Cost], free: list[Cost]) -> None:
    """Print a line of a profile: shares, recovery and days later than without gates."""
    share = ratio_interval([c.lost for c in found], [c.good for c in found], np.random.default_rng(1))
    recovered = ratio_interval([c.gained for c in found], [c.attainable for c in found], np.random.default_rng(1))
    later = paired_difference([float(c.half_days) for c in found], [float(c.half_days) for c in free])
    half, days = (mean_interval([float(getattr(c, name)) for c in found]) for name in ("half_days", "days"))
    most = max(c.half_days - f.half_days for c, f in zip(found, free, strict=True))
    let_by, bad = sum(c.let_by for c in found), sum(c.bad for c in found)
    say(
        f"  {name:16s} good rejected {sum(c.lost for c in found)} of {sum(c.good for c in found)}"
        f" = {shown(share.estimate, share.interval)}; worse let by {let_by} of {bad}; f1_recovery"
        f" {shown(recovered.estimate, recovered.interval)}; days to half of it"
        f" {shown(fmean(c.half_days for c in found), half, '.0f')}, later by"
        f" {shown(later.mean, later.interval, '+.0f')}, at most {most}; days to 90 %"
        f" {shown(fmean(c.days for c in found), days, '.0f')}; holdout {fmean(c.holdout for c in found):.0f} rows"
    )


def shown(middle: float | None, interval: Interval | None, form: str = ".2f") -> str:
    """Return a figure with its interval."""
    if middle is None:
        return "-"
    ends = f" ({interval.low:{form}} to {interval.high:{form}})" if interval else ""
    return f"{middle:{form}}{ends}"


def say(words: str) -> None:
    """Print a line."""
    print(words, flush=True)  # noqa: T201 - a script that prints


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 15)
