"""A history is played as it was known: nothing of its future shows in its past, and what doesn't fit is said."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lives import live, small

from policies.catalogue import load_policy
from policies.never import Never
from scenarios.schema import Labels, Scenario
from sim.errors import InputError
from sim.mlops.gates.profiles import load_profile
from sim.mlops.records.record import Record
from sim.study.replay.replay import Replay
from sim.study.scores.judge import expected_f1, observed_f1
from sim.world.population_spec import PopulationSpec
from sim.world.recorded import RecordedPopulation
from sim.world.world import World

MONTHS, A_MONTH = 10, 60
SCENARIO = small(steps=99).model_copy(update={"labels": Labels(delay_days=60, horizon_days=60)})


def history(months: int = MONTHS, seed: int = 0, rename_in: int = 6) -> pd.DataFrame:
    """Return so many months of customers; a plan gets another name, and `code` letters, in month `rename_in`."""
    rng = np.random.default_rng(seed)
    n = months * A_MONTH
    month = np.repeat(np.arange(months), A_MONTH)
    tenure = rng.integers(0, 72, n)
    gone = rng.random(n) < 1 / (1 + np.exp(tenure / 12 - 2))
    plan = rng.choice(["A", "B", "C"], n).astype(object)
    plan[(plan == "B") & (month >= rename_in)] = "B 5G"
    code = rng.integers(1, 5, n).astype(str).astype(object)
    code[(code == "4") & (month >= rename_in)] = "X9"
    day = pd.to_datetime("2025-01-01") + pd.to_timedelta(rng.integers(0, 28, n), unit="D")
    return pd.DataFrame(
        {
            "customer": [f"K{row:05d}" for row in rng.permutation(n)],
            "day": [str((each + pd.DateOffset(months=int(m))).date()) for each, m in zip(day, month, strict=True)],
            "tenure": tenure,
            "plan": plan,
            "code": code,
            "late": np.where(month >= rename_in, rng.normal(size=n).round(2).astype(str), ""),
            "gone": np.where(gone, "yes", "no"),
        }
    )


def opened(
    folder: Path, frame: pd.DataFrame, scenario: Scenario = SCENARIO
) -> tuple[RecordedPopulation, Scenario, list[str]]:
    path = folder / "history.csv"
    frame.to_csv(path, index=False)
    told: list[str] = []
    population, played = PopulationSpec(str(path), "gone", "customer", "day").load(scenario, told.append)
    assert isinstance(population, RecordedPopulation)
    return population, played, told


def lived(folder: Path, frame: pd.DataFrame, policy: str = "psi_max > 0.2 or age_days > 80", seed: int = 1) -> Record:
    population, scenario, _ = opened(folder, frame)
    world = World(scenario, seed, population, kept_steps=None)
    return Replay(world).record(load_policy(policy).build(), load_profile("none"), policy)


def test_a_renamed_category_is_unseen_until_a_model_has_learnt_it(tmp_path):
    record = lived(tmp_path, history(months=14), "age_days > 80")
    kept = lived(tmp_path, history(), "age_days > 9999")
    unseen = [row.signals.unseen_rate for row in kept.steps]
    assert unseen[:3] == [0.0, 0.0, 0.0]
    assert min(unseen[3:]) > 0.1
    learnt = [row for row in record.steps if row.champion != record.first.name][-1].signals.unseen_rate
    assert learnt == 0.0
    assert kept.steps[3].drift[1].name == "plan"
    assert kept.steps[3].drift[1].unseen_rate == unseen[3]


def test_kinds_are_those_of_the_first_months_and_later_cells_are_missing(tmp_path):
    population, _, told = opened(tmp_path, history())
    assert [(column.name, column.is_category) for column in population.schema.columns] == [
        ("tenure", False),
        ("plan", True),
        ("code", False),
    ]
    assert any("'code'" in note and "'X9' in row" in note for note in told)
    assert any("'late'" in note and "nothing was known of it" in note for note in told)
    record = lived(tmp_path, history(), "age_days > 9999")
    assert [row.signals.null_rate > 0.1 for row in record.steps] == [False] * 3 + [True] * 4


@given(cut=st.integers(125, 10 * 31), seed=st.integers(0, 50), rename_in=st.integers(3, 8))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_cutting_the_table_at_any_day_changes_nothing_before_it(tmp_path, cut, seed, rename_in):
    frame = history(seed=seed, rename_in=rename_in)
    last = np.datetime64("2025-01-01") + cut
    whole = lived(tmp_path, frame)
    part = lived(tmp_path, frame[frame["day"].to_numpy(dtype="datetime64[D]") < last])
    month = int((last.astype("datetime64[M]") - np.datetime64("2025-01")).astype(int))
    untouched = min(month - 3, len(part.steps))  # steps whose month had ended
    assert untouched > 0
    assert part.steps[:untouched] == whole.steps[:untouched]
    assert part.first == whole.first


def test_labels_that_have_not_come_are_no_outcomes(tmp_path):
    frame = history()
    last = frame["day"] >= "2025-09-01"
    whole = lived(tmp_path, frame)
    frame.loc[last, "gone"] = ""
    record = lived(tmp_path, frame)
    assert record.steps[:5] == whole.steps[:5]
    for row in record.steps[5:]:
        assert row.tally.customers == 0
        assert expected_f1(row.tally) is None
        assert row.signals.psi_max is not None
    population, scenario, told = opened(tmp_path, frame)
    assert any("blank in 120 rows" in note for note in told)
    assert len(World(scenario, 1, population).labels(6, np.zeros(A_MONTH, dtype=bool)).row) == 0
    life = live(scenario, Never(), population=population, profile="none")
    assert [row.tally for row in life.rows] == [row.tally for row in lived(tmp_path, frame, "age_days > 9999").steps]


def test_some_labels_of_a_month_may_be_missing(tmp_path):
    frame = history()
    some = (frame["day"] >= "2025-05-01") & (frame["day"] < "2025-06-01") & (frame["tenure"] < 20)
    frame.loc[some, "gone"] = "NaN"
    record = lived(tmp_path, frame, "age_days > 9999")
    assert record.steps[1].tally.customers == A_MONTH - int(some.sum())
    assert record.steps[3].signals.unlabelled_rate == pytest.approx(some.sum() / A_MONTH)


def test_a_month_of_one_class_has_no_f1_and_sets_off_no_alarm(tmp_path):
    frame = history()
    frame.loc[(frame["day"] >= "2025-06-01") & (frame["day"] < "2025-07-01"), "gone"] = "no"
    record = lived(tmp_path, frame, "f1_drop > 0.3")
    assert record.steps[2].tally.churners == 0
    assert expected_f1(record.steps[2].tally) is observed_f1(record.steps[2].tally) is None
    assert [row.signals.f1 is None for row in record.steps][:6] == [True, True, False, False, True, False]
    assert record.steps[4].signals.f1_drop is None
    assert record.steps[4].decision.action == "keep"


@pytest.mark.parametrize(
    ("months", "step_days", "said"),
    [
        (
            lambda month: month % 3 == 0,
            30,
            "come every 3 steps of a month, so that .*play a scenario with time.step_days = 91",
        ),
        (lambda month: month % 3 == 0, 91, ""),
        (
            lambda month: month not in {5, 6},
            30,
            "2 of 10 steps are empty, because history has no rows for some time after",
        ),
        (lambda month: True, 7, ""),
        (lambda month: True, 30, ""),
    ],
)
def test_a_rhythm_that_does_not_fit_the_steps_is_said(tmp_path, months, step_days, said):
    frame = history(rename_in=99, months=36 if "91" in said or step_days == 91 else 10)
    kept = frame["day"].str[:7].map(lambda month: months((int(month[:4]) - 2025) * 12 + int(month[5:]) - 1))
    time = SCENARIO.time.model_copy(update={"step_days": step_days})
    _, _, told = opened(tmp_path, frame[kept], SCENARIO.model_copy(update={"time": time}))
    rhythms = [note for note in told if "steps" in note and "step" in note and "column" not in note]
    assert len(rhythms) == bool(said)
    assert all(re.search(said, rhythm) for rhythm in rhythms)


def test_a_step_of_very_many_rows_is_said(tmp_path):
    frame = pd.concat([history(), history(seed=9).assign(customer=lambda t: "Z" + t["customer"], day="2025-08-05")])
    _, _, told = opened(tmp_path, frame)
    assert any(
        "the step from 2025-08-01 on has 660 rows, while others of history have about 60" in note for note in told
    )


def test_a_history_must_begin_with_both_classes(tmp_path):
    frame = history()
    frame.loc[frame["day"] < "2025-04-01", "gone"] = "no"
    with pytest.raises(InputError, match=r"the first 3 steps of history have no churner: play a scenario with more"):
        opened(tmp_path, frame)
    frame = history()
    frame.loc[frame["day"] >= "2025-04-01", "gone"] = ""
    with pytest.raises(InputError, match="must have outcomes after its warm-up"):
        opened(tmp_path, frame)


def test_a_column_that_gives_the_outcome_away_is_named_before_it_is_played(tmp_path):
    frame = history()
    _, _, told = opened(tmp_path, frame.assign(reason=np.where(frame["gone"] == "yes", "moved", "")))
    assert any("'reason' gives the outcome away (alone it has an AUC of 1.000)" in note for note in told)
