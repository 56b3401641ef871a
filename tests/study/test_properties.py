"""What is always true, whatever the scenario, the seed and the policy (DESIGN, section 10)."""

import itertools
import os
import subprocess
import sys
from dataclasses import replace
from io import StringIO
from math import fsum
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from lives import (
    ANCHORED,
    IMPOSSIBLE,
    injectors,
    is_playable,
    live,
    profiles,
    scenarios,
    script,
    scripts,
    small,
    toy_population,
)
from rich.console import Console

from policies.catalogue import load_policy
from policies.decision import Action
from policies.never import Never
from reports.tables import closing_table
from scenarios.injectors import ConceptDrift, NumberDrift
from scenarios.schema import Jobs, Prices, Scenario
from sim.mlops.gates.checks import Outcome
from sim.mlops.gates.profiles import load_profile
from sim.mlops.models.cohort import labelled_rows
from sim.mlops.records.jobs import Alias, Status
from sim.mlops.statistics.metrics import confusion
from sim.study.scores import money

SEEDS = st.integers(0, 2**40)
WATCHFUL = "psi_max > 0.3 or f1_drop > 0.02 or recall < 0.4 or age_days > 70"
TESTS = Path(__file__).parents[1]


@st.composite
def futures(draw: st.DrawFn) -> tuple[int, Scenario, Scenario]:
    """Draw a step, and two scenarios that are the same up to it and any afterwards."""
    now = draw(scenarios())
    step = draw(st.integers(0, now.time.steps - 2))
    past = [injector for injector in now.drift if injector.onset_step <= step]
    steps = draw(st.integers(step + 2, step + 8))
    for injector in draw(st.lists(injectors(step + 1, steps - 1), max_size=3)):
        past.insert(draw(st.integers(0, len(past))), injector)
    time = now.time.model_copy(update={"steps": steps})
    later = now.model_copy(update={"time": time, "drift": tuple(past)})
    assume(is_playable(later))
    return step, now, later


@settings(max_examples=20)
@given(futures(), SEEDS, profiles())
def test_the_future_of_the_world_changes_nothing_up_to_today(future, seed, profile):
    step, one, other = future
    rows = [live(scenario, load_policy(WATCHFUL).build(), seed, profile=profile).rows for scenario in (one, other)]
    assert rows[0][: step + 1] == rows[1][: step + 1]


@settings(max_examples=10)
@given(futures(), SEEDS)
def test_the_future_of_a_replayed_table_changes_nothing_up_to_today(future, seed):
    step, one, other = future
    table = toy_population(2000)
    rows = [live(each, load_policy(WATCHFUL).build(), seed, table, "none").rows for each in (one, other)]
    assert rows[0][: step + 1] == rows[1][: step + 1]


def remembered() -> str:
    """Return the record of a small life, to the last bit of every number."""
    drift = NumberDrift(kind="number", column="MonthlyCharges", factor=1.5, onset_step=3)
    return repr(live(small(drift=[drift]), load_policy("proposal").build(), seed=7, profile="none").record)


def test_another_process_leaves_the_same_record():
    path = os.pathsep.join([str(TESTS), str(TESTS / "study"), str(TESTS.parent)])
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": "1"}
    command = [sys.executable, "-c", "import test_properties; print(test_properties.remembered())"]
    told = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
    assert told == remembered() + "\n"
    assert "promoted" in told


@settings(max_examples=10)
@given(scenarios(), SEEDS, profiles())
def test_the_same_seed_leaves_the_same_record(scenario, seed, profile):
    one, other = (live(scenario, load_policy(WATCHFUL).build(), seed, profile=profile).record for _ in range(2))
    assert one == other


@settings(max_examples=40)
@given(scenarios(), SEEDS, scripts())
def test_each_label_arrives_once_on_its_date_and_meets_its_own_prediction(scenario, seed, policy):
    life = live(scenario, policy, seed, toy_population(2000), "none")
    world, last_day = life.world, life.rows[-1].day
    arrived = []
    for day, event in life.log.diary:
        for customer, label, due in zip(event.customer_id, event.label, event.arrives_at, strict=True):
            assert due >= event.scored_at or event.step < 0
            assert 0 <= day - due < scenario.time.step_days or event.step < 0
            arrived.append((customer, event.scored_at, int(due), bool(label)))
    assert len(set(arrived)) == len(arrived)
    expected = []
    for step in (*world.warmup, *world.steps):
        cohort, batch = life.log.cohorts([step])[0], world.batch(step)
        sent = world.labels(step, life.log.offered(step))
        np.testing.assert_array_equal(sent.customer_id, batch.customer_id[sent.row])
        due = sent.take(sent.arrives_at <= last_day)
        ids, days, labels = due.customer_id.tolist(), due.arrives_at.tolist(), due.label.tolist()
        expected += list(zip(ids, [batch.scored_at] * len(ids), days, labels, strict=True))
        newest = dict(zip(ids, labels, strict=True))
        joined = [newest.get(customer, np.nan) for customer in batch.customer_id.tolist()]
        np.testing.assert_array_equal(cohort.label, joined)
    assert sorted(arrived) == sorted(expected)


@settings(max_examples=25)
@given(scenarios(), SEEDS)
def test_a_policy_that_never_acts_is_the_first_model(scenario, seed):
    life = live(scenario, Never(), seed)
    first = life.registry.model(1)
    for row in life.rows:
        cohort = life.log.cohorts([row.step])[0]
        assert (row.champion, row.version, row.alias_changes) == ("first", 1, ())
        np.testing.assert_array_equal(cohort.probability, first.probability(cohort.features))
    assert life.registry.aliases == {Alias.CHALLENGER: 1, Alias.CHAMPION: 1}
    assert not life.retrainings


@settings(max_examples=15)
@given(scenarios(), SEEDS, scripts())
def test_a_policy_changes_no_customer_outcome_or_delay(scenario, seed, policy):
    offers = scenario.offers.model_copy(update={"rule": "top", "capacity": 0.3})  # each model's choice is another
    scenario = scenario.model_copy(update={"offers": offers})
    idle, busy = (live(scenario, each, seed, profile="none") for each in (Never(), policy))
    for step in (*idle.world.warmup, *idle.world.steps):
        for mine, yours in zip(*(_facts(life, step) for life in (idle, busy)), strict=True):
            np.testing.assert_array_equal(mine, yours)
        if not scenario.offers.seen_in_labels:
            cohorts = [life.log.cohorts([step])[0] for life in (idle, busy)]
            np.testing.assert_array_equal(cohorts[0].label, cohorts[1].label)
    if not scenario.offers.seen_in_labels:
        assert _mail(idle) == _mail(busy)


def _facts(life, step):
    batch, truth, cohort = life.world.batch(step), life.world.truth(step), life.log.cohorts([step])[0]
    return (
        batch.customer_id,
        cohort.customer_id,
        cohort.features,
        batch.holdout,
        batch.held_out,
        truth.propensity,
        truth.churns,
        truth.persuadable,
        truth.features,
    )


def _mail(life):
    return [(day, event.step, event.label.tolist(), event.arrives_at.tolist()) for day, event in life.log.diary]


@settings(max_examples=40)
@given(scenarios(), SEEDS, scripts(), profiles())
def test_there_is_one_champion_and_only_a_promotion_or_a_rollback_changes_it(scenario, seed, policy, profile):
    life = live(scenario, policy, seed, profile=profile)
    champion, previous, swappable, rollback_asked = 1, None, False, False
    version_of = {job.name: job.version for job in life.record.jobs}
    for row in life.rows:
        if rollback_asked:
            champion, previous, swappable = previous, champion, False
            assert row.job_ended is None
        elif row.job_ended is not None and row.job_ended.status is Status.PROMOTED:
            champion, previous, swappable = row.job_ended.version, champion, True
        assert row.version == version_of[row.champion] == champion
        cohort = life.log.cohorts([row.step])[0]
        answers = life.registry.model(champion).probability(cohort.features)
        np.testing.assert_array_equal(cohort.probability, answers)
        job_open = row.signals.job_open
        wanted = policy.actions[row.step] if row.step < len(policy.actions) else Action.KEEP
        is_refused = job_open or (wanted is Action.ROLLBACK and not swappable)
        assert row.decision.action is (Action.KEEP if is_refused else wanted)
        rollback_asked = row.decision.action is Action.ROLLBACK
    assert life.registry.aliases[Alias.CHAMPION] == champion
    assert life.registry.aliases.get(Alias.PREVIOUS_CHAMPION) == previous
    rejected = {job.version for job in life.retrainings if job.status is Status.REJECTED}
    assert all(job.meeting.verdict.passed != (job.version in rejected) for job in life.retrainings if job.meeting)
    assert not rejected & {row.version for row in life.rows}
    _check_aliases(life.registry.diary[1:], rejected)  # the first move makes the first challenger


def _check_aliases(moves, rejected):
    """At no moment is there no champion or a rejected one, and the old one is noted before the new one serves."""
    assert all(aliases[Alias.CHAMPION] not in rejected for aliases in moves)
    for before, after in itertools.pairwise(moves):
        if after[Alias.CHAMPION] != before[Alias.CHAMPION]:
            assert after[Alias.PREVIOUS_CHAMPION] == before[Alias.CHAMPION]


@settings(max_examples=25)
@given(scenarios(), SEEDS, scripts(), profiles())
def test_a_job_ends_on_the_first_step_day_that_training_and_approval_allow(scenario, seed, policy, profile):
    life = live(scenario, policy, seed, profile=profile)
    last_step, days = scenario.time.steps - 1, scenario.time.step_days

    def first_step(day: int) -> int:
        return -(-day // days)

    for job in life.retrainings:
        gate_step = max(job.requested_step + 1, first_step(job.requested_day + scenario.jobs.train_days))
        if job.status is Status.OPEN:
            approved = first_step(gate_step * days + scenario.jobs.approval_days)
            assert max(gate_step, approved) > last_step
            continue
        waits = scenario.jobs.approval_days if job.status is Status.PROMOTED else 0
        assert (job.meeting.step, job.meeting.day) == (gate_step, gate_step * days)
        assert job.ended_step == first_step(gate_step * days + waits)
        assert job.ended_day == job.ended_step * days
        if job.status is Status.PROMOTED:
            assert life.rows[job.ended_step].champion == job.name


def test_a_rollback_brings_back_the_champion_before_and_its_age():
    life = live(small(), script("r.b..."), profile="none")
    assert [row.version for row in life.rows] == [1, 2, 2, 1, 1, 1, 1, 1]
    assert [row.signals.age_days for row in life.rows[:5]] == [0, 30, 60, 90, 120]
    assert life.registry.aliases[Alias.PREVIOUS_CHAMPION] == 2


def test_a_second_rollback_needs_a_promotion_in_between():
    life = live(small(steps=9), script("br.bbrb.b"), profile="none")
    taken = [(row.decision.action.value, row.decision.reason) for row in life.rows]
    assert taken[0] == ("keep", "no_previous")
    assert taken[3] == ("rollback", "script")
    assert taken[4] == ("keep", "no_previous")
    assert taken[6] == ("rollback", "script")
    assert [row.version for row in life.rows] == [1, 1, 2, 2, 1, 1, 3, 1, 1]


def test_actions_are_refused_and_recorded_while_a_job_is_open():
    life = live(small(jobs=Jobs(train_days=80)), script("rrb..."), profile="none")
    assert [row.decision.reason for row in life.rows[:4]] == ["script", "job_open", "job_open", "quiet"]
    assert [row.version for row in life.rows] == [1, 1, 1, 2, 2, 2, 2, 2]
    assert len(life.retrainings) == 1


def test_gates_that_nobody_passes_leave_the_first_champion():
    life = live(small(), script("rrrrrrrr"), profile=IMPOSSIBLE)
    assert {row.version for row in life.rows} == {1}
    assert {job.status for job in life.retrainings} == {Status.REJECTED, Status.OPEN}
    assert life.state.previous is None


@settings(max_examples=15)
@given(scenarios(), SEEDS, scripts(), profiles(), st.floats(0, 1e5), st.floats(0.01, 1e3), st.floats(0, 1))
def test_money_adds_up_to_what_the_log_and_the_truth_say(scenario, seed, policy, profile, value, cost, rate):
    life = live(scenario, policy, seed, profile=profile)
    prices = Prices(customer_value=value, offer_cost=cost, success_rate=rate, retrain_cost=7.5)
    entries = money.ledger(life.record, prices)
    expected, realised = [], []
    for step in life.world.steps:
        offered, truth = life.log.offered(step), life.world.truth(step)
        expected.append(fsum(truth.propensity[offered]) * rate * value - offered.sum() * cost)
        realised.append((offered & truth.churns & (truth.persuasion < rate)).sum() * value - offered.sum() * cost)
    retrainings = 7.5 * sum(row.decision.action is Action.RETRAIN for row in life.rows)
    assert money.net_value(entries) == pytest.approx(fsum(expected) - retrainings, rel=1e-12, abs=1e-6)
    assert money.net_value_realised(entries) == pytest.approx(fsum(realised) - retrainings, rel=1e-12, abs=1e-6)
    assert [row.tally.saved for row in life.rows] == [_saved(life, step) for step in life.world.steps]
    assert money.net_value(entries) == fsum(entry.expected for entry in entries)
    assert [entry.step for entry in entries] == sorted(entry.step for entry in entries)


def _saved(life, step):
    """Count the churners whom an offer keeps at the scenario's own success rate."""
    truth = life.world.truth(step)
    return (life.log.offered(step) & truth.churns & truth.persuadable).sum()


def test_gates_of_these_worlds_promote_and_reject():
    """The gates of the properties are no formality: the same life passes some, fails others."""
    drift = ConceptDrift(kind="concept", shifts={"intercept": -1.5}, onset_step=2, hold_base_rate=False)
    lives = [live(small(drift=[drift]), script("rrrrrrr"), profile=gates) for gates in ("none", "telco_churn")]
    assert {job.status for job in lives[0].retrainings[:-1]} == {Status.PROMOTED}
    assert Status.REJECTED in {job.status for job in lives[1].retrainings}


def test_a_rejection_for_want_of_evidence_is_told_as_one():
    profile = replace(load_profile("none"), name="careful", enforced=("non_inferiority",), least_churners=10_000)
    life = live(small(steps=4), script("r"), profile=profile)
    (job,) = life.retrainings
    assert (job.status, job.meeting.verdict.outcome) == (Status.REJECTED, Outcome.NOT_ENOUGH_EVIDENCE)
    console = Console(width=120, record=True, file=StringIO())
    console.print(closing_table(life.record))
    assert "v2 rejected (not enough evidence)" in console.export_text()
    assert {row.version for row in life.rows} == {1}


def test_the_best_champion_so_far_is_kept_until_a_better_one_serves():
    """The gate asks for the best champion on the same rows, which a rollback and lesser champions leave alone."""
    drift = ConceptDrift(kind="concept", shifts={"InternetService=DSL": 2.5}, onset_step=3)
    life = live(small(steps=12, customers=400, delay_days=30, drift=[drift]), script("rrrrrbrrrrr"), profile=ANCHORED)
    best = life.state.first.name
    models = {job.name: life.registry.model(job.version) for job in life.record.jobs}
    seen = set()
    for job in life.retrainings:
        if job.meeting is None:
            continue
        cohorts = labelled_rows(life.log.cohorts(job.meeting.gate_steps), life.world.scenario.offers, holdout=True)
        answers = models[best].decide(models[best].probability(cohorts.features))
        assert job.meeting.best == confusion(cohorts.label, answers)
        if job.status is Status.PROMOTED and job.meeting.challenger.f1 >= job.meeting.best.f1:
            best = job.name
        seen.add((job.status, job.name == best))
    assert life.state.best.job == best != "first"
    assert {(Status.PROMOTED, True), (Status.REJECTED, False)} <= seen
